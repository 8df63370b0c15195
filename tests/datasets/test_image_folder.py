"""Which files an ImageFolder lists, how it divides them, and how it does without the unreadable ones."""

import os
import pickle

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader

from mmsimmim.datasets import ImageFolder
from mmsimmim.datasets.seeding import SampleIndex
from mmsimmim.datasets.subsets import choose_split
from mmsimmim.errors import UserError

PIPELINE = [dict(type='mmsimmim.LoadImage'), dict(type='mmpretrain.PackInputs')]


def relative_paths(dataset):
    return [os.path.relpath(dataset.get_data_info(i)['img_path'], dataset.data_root) for i in range(len(dataset))]


class TestListing:

    def test_nested_folders_and_suffixes_of_any_case_in_sorted_order(self, folder):
        assert relative_paths(ImageFolder(str(folder))) == sorted(
            f'{place}{name}' for place in ('', 'a/', 'a/b/') for name in ('0.jpg', '1.png', '2.JPEG', '3.Tiff'))

    def test_suffixes_option(self, folder):
        assert len(ImageFolder(str(folder), suffixes=['PNG'])) == 3
        assert len(ImageFolder(str(folder), suffixes='.jpg')) == 3

    def test_linked_folders_once_and_without_loops(self, folder, tmp_path_factory, write_image):
        outside = tmp_path_factory.mktemp('outside')
        write_image(outside / 'x.png')
        (folder / 'linked').symlink_to(outside)
        (folder / 'linked_again').symlink_to(outside)
        (folder / 'a' / 'loop').symlink_to(folder)
        (outside / 'loop').symlink_to(outside)
        paths = relative_paths(ImageFolder(str(folder)))
        assert len(paths) == 13 and 'linked/x.png' in paths

    @pytest.mark.parametrize('serialize', [True, False])
    def test_paths_survive_storage(self, tmp_path, write_image, serialize):
        names = ['ä/日本.png', 'plain.png', 'with space.png']
        for name in names:
            write_image(tmp_path / name.replace('ä/日本', 'temporary'))
        (tmp_path / 'ä').mkdir()
        (tmp_path / 'temporary.png').rename(tmp_path / 'ä' / '日本.png')
        dataset = pickle.loads(pickle.dumps(ImageFolder(str(tmp_path), serialize_data=serialize)))
        assert sorted(relative_paths(dataset)) == sorted(names)
        assert dataset.get_data_info(-1)['img_path'] == dataset.get_data_info(2)['img_path']

    def test_subset(self, folder):
        paths = relative_paths(ImageFolder(str(folder)))
        assert relative_paths(ImageFolder(str(folder), indices=[3, 1])) == [paths[3], paths[1]]
        assert relative_paths(ImageFolder(str(folder)).get_subset([3, 1])) == [paths[3], paths[1]]

    def test_errors_name_the_folder_and_the_cure(self, folder, tmp_path_factory):
        with pytest.raises(UserError, match="nowhere' does not exist.*data_root"):
            ImageFolder(str(folder / 'nowhere'))
        with pytest.raises(UserError, match='is a file; give the folder'):
            ImageFolder(str(folder / '0.jpg'))
        with pytest.raises(UserError, match=r'No images in .*\.jpg, .*suffixes'):
            ImageFolder(str(tmp_path_factory.mktemp('empty')))
        with pytest.raises(UserError, match='needs data_root'):
            ImageFolder('')


class TestSplit:
    paths = [f'{i // 100}/{i}.jpg' for i in range(2000)]

    def test_sides_are_complete_and_disjoint(self):
        train, val = (choose_split(self.paths, split, 0.1) for split in ('train', 'val'))
        assert sorted(train + val) == sorted(self.paths)
        assert 150 < len(val) < 250

    def test_new_files_move_no_others(self):
        val = choose_split(self.paths, 'val', 0.1)
        more = choose_split(self.paths + [f'new/{i}.jpg' for i in range(500)], 'val', 0.1)
        assert [path for path in more if not path.startswith('new')] == val

    def test_a_small_folder_still_has_a_validation_image(self, folder):
        sides = [ImageFolder(str(folder), split=split, val_ratio=1e-6) for split in ('train', 'val')]
        assert [len(side) for side in sides] == [11, 1]

    def test_one_image_cannot_be_divided(self, tmp_path, write_image):
        write_image(tmp_path / '0.png')
        with pytest.raises(UserError, match="split 'train' .* is empty"):
            ImageFolder(str(tmp_path), split='train')

    @pytest.mark.parametrize('arguments', [dict(split='test'), dict(val_ratio=0.), dict(val_ratio=1.5)])
    def test_wrong_arguments(self, folder, arguments):
        with pytest.raises(UserError):
            ImageFolder(str(folder), **arguments)


class TestFixedMasks:

    def masks(self, root):
        dataset = ImageFolder(str(root), pipeline=[
            dict(type='mmsimmim.LoadImage'), dict(type='Resize', scale=(192, 192)),
            dict(type='mmsimmim.SimMIMMaskGenerator', seed=0), dict(type='PackInputs')])
        samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
        return {os.path.relpath(sample.img_path, root): np.asarray(sample.mask) for sample in samples}

    def test_new_files_and_another_place_keep_the_masks(self, folder, tmp_path_factory, write_image):
        init_default_scope('mmpretrain')
        before = self.masks(folder)
        assert len({mask.tobytes() for mask in before.values()}) == len(before)
        moved = folder.rename(tmp_path_factory.mktemp('elsewhere') / 'images')
        write_image(moved / '00.png')  # sorted before all but one
        after = self.masks(moved)
        assert len(after) == len(before) + 1
        assert all(np.array_equal(after[path], before[path]) for path in before)


class TestUnreadable:

    @pytest.fixture(autouse=True)
    def scope(self):
        init_default_scope('mmpretrain')

    @pytest.fixture
    def broken(self, folder):
        (folder / '0.jpg').write_bytes((folder / '0.jpg').read_bytes()[:-100])
        (folder / '1.png').write_text('not an image')
        return folder

    def test_replaced_and_noted(self, broken):
        dataset = ImageFolder(str(broken), pipeline=PIPELINE)
        samples = [dataset[i] for i in range(len(dataset))]
        assert set(samples[0]['data_samples'].skipped_files) >= {'0.jpg'}
        assert samples[1]['data_samples'].skipped_files['1.png'] == 'not an image'
        assert all('skipped_files' not in sample['data_samples'] for sample in samples[2:])
        assert os.path.basename(samples[0]['data_samples'].img_path) != '0.jpg'

    def test_the_replacement_depends_on_the_sample(self, broken):
        dataset = ImageFolder(str(broken), pipeline=PIPELINE)
        chosen = [dataset[SampleIndex(0, key=(0, epoch, 0))]['data_samples'].img_path for epoch in range(8)]
        again = [dataset[SampleIndex(0, key=(0, epoch, 0))]['data_samples'].img_path for epoch in range(8)]
        assert chosen == again and len(set(chosen)) > 2

    @pytest.mark.parametrize('workers', [0, 1])
    def test_nothing_readable_stops_at_once(self, tmp_path, workers):
        for i in range(500):
            (tmp_path / f'{i}.jpg').write_text('no image')
        dataset = ImageFolder(str(tmp_path), pipeline=PIPELINE)
        with pytest.raises(UserError, match=r'None of 10[01] images tried(?s:.)*lists 500(?s:.)*not an image'):
            next(iter(DataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=list)))

    @pytest.fixture
    def held_out_broken(self, folder):
        """The only file of 'val' is broken."""
        held_out = relative_paths(ImageFolder(str(folder), split='val', val_ratio=1e-6))
        (folder / held_out[0]).write_text('no image')
        return held_out[0]

    @pytest.mark.parametrize('index', [0, -1, SampleIndex(0, key=(0, 1, 0))])
    def test_broken_held_out_files_do_not_stop_a_training(self, folder, held_out_broken, index):
        dataset = ImageFolder(str(folder), split='val', val_ratio=1e-6, pipeline=PIPELINE)
        sample = pickle.loads(pickle.dumps(dataset))[index]['data_samples']
        stand_in = os.path.relpath(sample.img_path, folder)
        assert sample.skipped_files == {held_out_broken: f'not an image; the training file {stand_in} stands in'}
        assert stand_in in relative_paths(ImageFolder(str(folder), split='train', val_ratio=1e-6))

    def test_held_out_files_never_stand_in_for_training_files(self, folder):
        for path in relative_paths(ImageFolder(str(folder), split='train', val_ratio=1e-6)):
            (folder / path).write_text('no image')
        dataset = ImageFolder(str(folder), split='train', val_ratio=1e-6, pipeline=PIPELINE)
        with pytest.raises(UserError, match="None of 11 images tried for the split 'train' .* nothing to train on"):
            dataset[0]

    def test_a_folder_without_a_readable_image_stops_the_validation(self, folder):
        for path in relative_paths(ImageFolder(str(folder))):
            (folder / path).write_text('no image')
        dataset = ImageFolder(str(folder), split='val', val_ratio=1e-6, pipeline=PIPELINE, max_refetch=5)
        with pytest.raises(UserError, match="None of 6 images tried for the split 'val' .*lists 1; 5 of its training "
                                            'images are no better.* nothing to validate on'):
            dataset[0]

    def test_mistakes_in_the_pipeline_are_not_taken_for_broken_files(self, folder):
        dataset = ImageFolder(str(folder), pipeline=[lambda results: results['missing']])
        with pytest.raises(KeyError):
            dataset[0]

    def test_named_even_if_the_pipeline_packs_no_data_samples(self, broken):
        dataset = ImageFolder(str(broken), pipeline=[dict(type='mmsimmim.LoadImage')])
        with pytest.warns(UserWarning, match='0.jpg cannot be read'):
            assert isinstance(dataset[0]['img'], np.ndarray)
