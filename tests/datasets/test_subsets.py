"""Fractions and lists of an image folder: which files they take, and that the held-out ones stay held out."""

import hashlib
import math
import os
import random
from collections import Counter
from itertools import groupby

import pytest

from mmsimmim.datasets import ImageFolder, LabelledImageFolder, PackedImageFolder, SeededInfiniteSampler
from mmsimmim.datasets.packed.packing import pack
from mmsimmim.datasets.subsets import choose_fraction, choose_split
from mmsimmim.errors import UserError
from tests.datasets.test_image_folder import relative_paths

# As many classes as ImageNet-1K has, smaller ones of other sizes.
CLASSES = {f'n{number:08d}': 73 + number % 58 for number in range(300)}
PATHS = sorted(f'{name}/{name}_{number}.JPEG' for name, size in CLASSES.items() for number in range(size))


def by_hand(paths, fraction, seed):
    """The rule, folder by folder, with nothing but hashlib."""

    def number(text, purpose):
        digest = hashlib.blake2b(text.encode(), digest_size=8, person=purpose, salt=seed.to_bytes(8, 'little'))
        return int(digest.hexdigest(), 16)

    chosen = []
    for name, group in groupby(sorted(paths, key=os.path.dirname), key=os.path.dirname):
        group = sorted(group, key=lambda path: number(path, b'fraction'))
        chosen += group[:math.floor(fraction * len(group) + number(name, b'rounding') / 2**64)]
    return sorted(chosen)


class TestFraction:

    @pytest.mark.parametrize('fraction, seed', [(0.1, 0), (0.5, 3)])
    def test_the_rule(self, fraction, seed):
        assert choose_fraction(PATHS, fraction, seed) == by_hand(PATHS, fraction, seed)

    def test_each_folder_gives_the_same_share(self):
        found = Counter(map(os.path.dirname, choose_fraction(PATHS, 0.1, 0)))
        assert all(abs(found[name] - 0.1 * size) < 1 for name, size in CLASSES.items())
        assert found['n00000027'] == 10  # of 100: nothing to round
        # Rounded up or down, not always one way.
        assert sum(found.values()) == pytest.approx(0.1 * len(PATHS), abs=4 * math.sqrt(300 / 12))

    def test_a_larger_one_contains_a_smaller_one(self):
        chosen = [set(choose_fraction(PATHS, fraction, 0)) for fraction in (0.01, 0.1, 0.2, 0.5, 0.999, 1.0)]
        assert all(smaller < larger for smaller, larger in zip(chosen, chosen[1:]))
        assert chosen[-1] == set(PATHS)

    def test_the_order_of_the_files_is_of_no_account(self):
        shuffled = random.Random(0).sample(PATHS, len(PATHS))
        chosen = choose_fraction(shuffled, 0.2, 0)
        assert sorted(chosen) == choose_fraction(PATHS, 0.2, 0)
        places = {path: place for place, path in enumerate(shuffled)}
        assert chosen == sorted(chosen, key=places.get)

    def test_other_seeds_choose_others(self):
        one, other = (set(choose_fraction(PATHS, 0.2, seed)) for seed in (0, 1))
        assert len(one & other) == pytest.approx(0.2 * len(one), rel=0.1)

    def test_unrelated_to_the_split(self):
        held_out = set(choose_split(PATHS, 'val', 0.2))
        chosen = choose_fraction(PATHS, 0.2, 0)
        assert len(held_out & set(chosen)) == pytest.approx(0.2 * len(chosen), rel=0.1)

    def test_folders_of_one_file_give_their_share_together(self):
        paths = [f'{number}/x.png' for number in range(4000)]
        assert len(choose_fraction(paths, 0.1, 0)) == pytest.approx(400, abs=4 * math.sqrt(4000 * 0.09))


@pytest.fixture
def classes(tmp_path):
    """Ten files in each of four folders, two of them below one class."""
    for name in ('a', 'b', 'c/x', 'c/y'):
        (tmp_path / name).mkdir(parents=True)
        for number in range(10):
            (tmp_path / name / f'{name[-1]}{number}.png').touch()
    return tmp_path


class TestDatasets:

    def test_held_out_files_stay_held_out_and_as_many(self, classes):
        held_out = relative_paths(ImageFolder(str(classes), split='val', val_ratio=0.2))
        training = relative_paths(ImageFolder(str(classes), split='train', val_ratio=0.2))
        tenth = relative_paths(ImageFolder(str(classes), split='train', val_ratio=0.2, fraction=0.3))
        assert tenth == choose_fraction(training, 0.3, 0)
        assert not {*tenth} & {*held_out} and 0 < len(tenth) < len(training)
        thinned = ImageFolder(str(classes), split='val', val_ratio=0.2, fraction=0.5)
        assert relative_paths(thinned) == choose_fraction(held_out, 0.5, 0)

    def test_classes_give_equal_shares_however_deep_their_files_lie(self, classes):
        for seed in range(5):
            half = relative_paths(LabelledImageFolder(str(classes), fraction=0.25, fraction_seed=seed))
            assert sorted(Counter(path.split('/')[0] for path in half).items())[-1] == ('c', 5)
        assert LabelledImageFolder(str(classes), fraction=0.25).metainfo['classes'] == ('a', 'b', 'c')

    def test_the_packed_folder_gives_the_same(self, classes):
        pytest.importorskip('lmdb')
        (classes / 'list.txt').write_text('\n'.join(relative_paths(ImageFolder(str(classes)))[::2]))
        pack(str(classes), str(classes / 'images.lmdb'))
        options = dict(split='train', fraction=0.5, fraction_seed=1, list_file=str(classes / 'list.txt'))
        found = PackedImageFolder(str(classes / 'images.lmdb'), **options)
        assert relative_paths(found) == relative_paths(ImageFolder(str(classes), **options))

    def test_a_resumed_run_reads_what_it_would_have_read(self, classes):
        dataset = ImageFolder(str(classes), fraction=0.4)
        whole = iter(SeededInfiniteSampler(dataset, seed=0))
        expected = [(index.key, dataset.get_data_info(index)['img_path']) for index, _ in zip(whole, range(50))][37:]
        again = ImageFolder(str(classes), fraction=0.4)
        sampler = SeededInfiniteSampler(again, seed=0)
        sampler.skip(37)
        rest = [(index.key, again.get_data_info(index)['img_path']) for index, _ in zip(sampler, range(13))]
        assert rest == expected

    def test_the_log_says_how_many(self, classes, monkeypatch):
        said = []
        monkeypatch.setattr('mmsimmim.datasets.image_folder.print_log', lambda text, **_: said.append(text))
        ImageFolder(str(classes))
        assert said == []
        ImageFolder(str(classes), fraction=0.5)
        assert said == [f'20 of 40 images of {str(classes)!r} '
                        '(fraction=0.5, fraction_seed=0, list_file=None) are used.']

    @pytest.mark.parametrize('arguments, message', [
        (dict(fraction=0), 'fraction must be a number above 0 and up to 1, got 0'),
        (dict(fraction=1.5), 'got 1.5'),
        (dict(fraction='10%'), "got '10%'"),
        (dict(fraction=float('nan')), 'got nan'),
        (dict(fraction=0.1, fraction_seed=-1), 'fraction_seed must be an integer'),
        (dict(fraction=1e-9), r'0 of 40 images of .*fraction=1e-09.* is none')])
    def test_mistakes(self, classes, arguments, message):
        with pytest.raises(UserError, match=message):
            ImageFolder(str(classes), **arguments)


class TestList:

    def write(self, folder, *lines):
        (folder / 'list.txt').write_text('\n'.join(lines) + '\n')
        return dict(data_root=str(folder), list_file=str(folder / 'list.txt'))

    def test_paths_with_and_without_labels_and_bare_names(self, classes):
        """As mmpretrain's meta/train.txt, and as the lists of 1 % and 10 % of ImageNet-1K that SimCLR distributes."""
        arguments = self.write(classes, 'b/b3.png 1', '', './a/a1.png', 'c/y/y2.png\t2', 'x7.png', 'a/a1.png\r')
        assert relative_paths(ImageFolder(**arguments)) == ['a/a1.png', 'b/b3.png', 'c/x/x7.png', 'c/y/y2.png']

    def test_names_that_look_like_a_label(self, classes):
        (classes / 'a' / 'my image 3').mkdir()
        (classes / 'a' / 'my image 3' / 'z 1.png').touch()
        arguments = self.write(classes, 'a/my image 3/z 1.png')
        assert relative_paths(ImageFolder(**arguments)) == ['a/my image 3/z 1.png']

    def test_names_of_any_encoding(self, classes):
        name = os.fsdecode(b'a/latin-\xe9.png')
        (classes / name).touch()
        (classes / 'list.txt').write_bytes(b'\xef\xbb\xbf' + os.fsencode(name))
        assert relative_paths(ImageFolder(str(classes), list_file=str(classes / 'list.txt'))) == [name]

    def test_held_out_files_stay_held_out(self, classes):
        everything = relative_paths(ImageFolder(str(classes)))
        arguments = self.write(classes, *everything[::2])
        training = relative_paths(ImageFolder(split='train', val_ratio=0.3, **arguments))
        assert training == [path for path in everything[::2] if path in choose_split(everything, 'train', 0.3)]
        assert 0 < len(training) < 20
        half = relative_paths(ImageFolder(split='train', val_ratio=0.3, fraction=0.5, **arguments))
        assert half == choose_fraction(training, 0.5, 0)

    @pytest.mark.parametrize('lines, message', [
        (['a/a1.png', 'a/a99.png', 'd/d1.png 3'], r'2 of 3 files are not in the folder, such as a/a99.png, d/d1.png 3'),
        ([''], 'list.txt is empty'),
        (['same.png'], 'same.png is the name of 2 files, a/same.png and b/same.png')])
    def test_mistakes(self, classes, lines, message):
        for name in 'ab':
            (classes / name / 'same.png').touch()
        with pytest.raises(UserError, match=message):
            ImageFolder(**self.write(classes, *lines))

    def test_none_of_the_listed_ones_is_left(self, classes):
        held_out = relative_paths(ImageFolder(str(classes), split='val', val_ratio=0.2))
        with pytest.raises(UserError, match=r"0 of \d+ images of the split 'train' of .*list.txt.* is none"):
            ImageFolder(split='train', val_ratio=0.2, **self.write(classes, *held_out))

    @pytest.mark.parametrize('place, message', [('nowhere.txt', 'does not exist'), ('a', 'cannot be read')])
    def test_no_list(self, classes, place, message):
        with pytest.raises(UserError, match=f'list_file .*{place} {message}'):
            ImageFolder(str(classes), list_file=str(classes / place))

    def test_a_number_is_no_list(self, classes):
        with pytest.raises(UserError, match='list_file must be a path, got 0'):
            ImageFolder(str(classes), list_file=0)
