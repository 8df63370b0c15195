"""What pretrain finds in folders, lists and packed files before it starts."""

import os

import numpy as np
import pytest
from PIL import Image

from mmsimmim.commands.pretraining.source import source_options
from mmsimmim.commands.pretraining.survey import survey
from mmsimmim.datasets import ImageFolder
from mmsimmim.errors import UserError


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Forty images, a copy of one of them, one that is broken, and what is no image."""
    root = tmp_path_factory.mktemp('images')
    for number in range(40):
        place = root / f'part{number % 2}' / f'{number}.{"png" if number % 4 else "jpg"}'
        place.parent.mkdir(exist_ok=True)
        Image.new('RGB', (20 + number, 30), (number, 0, 0)).save(place)
    (root / 'part0' / 'copy.png').write_bytes((root / 'part0' / '2.png').read_bytes())
    (root / 'part1' / 'broken.jpg').write_bytes(b'\xff\xd8\xffno image')
    (root / 'notes.txt').write_text('notes')
    return root


def names(options, split=None):
    settings = {key: value for key, value in options.items() if key != 'dataset_type'}
    dataset = ImageFolder(split=split, **settings)
    return [os.path.join(options['data_root'], dataset.name_of(idx)) for idx in range(len(dataset))]


class TestSource:

    def test_a_folder_is_read_as_it_is(self, folder, tmp_path):
        assert source_options(str(folder), tmp_path) == dict(dataset_type='mmsimmim.ImageFolder',
                                                             data_root=str(folder))
        assert not list(tmp_path.iterdir())

    def test_several_folders_and_lists_are_written_down(self, folder, tmp_path):
        listed = folder.parent / 'listed.txt'
        listed.write_text(f'{folder}/part0/4.jpg\n\n{folder.name}/part0/2.png\n{folder.name}/part1/1.png\n')
        options = source_options([folder / 'part1', listed], tmp_path / 'out')
        expected = {str(path) for path in (folder / 'part1').iterdir()}
        assert set(names(options)) == expected | {str(folder / 'part0' / name) for name in ('4.jpg', '2.png')}
        assert len(names(options)) == len(expected) + 2 and options['data_root'] == str(folder)
        assert [path.name for path in (tmp_path / 'out').iterdir()] == ['images.txt']

    def test_a_list_has_the_same_crops_as_the_folder(self, folder, tmp_path):
        listed = tmp_path / 'all.txt'
        listed.write_text('\n'.join(names(source_options(folder, tmp_path))))
        options = source_options(listed, tmp_path)
        whole = ImageFolder(data_root=str(folder))
        by_list = ImageFolder(**{key: value for key, value in options.items() if key != 'dataset_type'})
        assert [by_list.get_data_info(idx) for idx in range(len(whole))] == [
            whole.get_data_info(idx) for idx in range(len(whole))]

    @pytest.mark.parametrize('data, message', [
        ([], 'No data were given'),
        ('none', 'none does not exist'),
        (['part0', 'part0/2.png'], 'neither a folder nor a text file'),
        ('part0/2.png', 'packed'),
    ])
    def test_what_is_no_source_is_told(self, folder, tmp_path, monkeypatch, data, message):
        monkeypatch.chdir(folder)
        with pytest.raises(UserError, match=message):
            survey(source_options(data, tmp_path))


@pytest.fixture(scope='module')
def found(folder):
    return survey(source_options(folder, folder))


class TestSurvey:

    def test_counts(self, found):
        assert found.num_images == found.looked_at == 42
        assert found.formats == dict(PNG=31, JPEG=10)
        assert sorted(set(found.sizes)) == [(20 + number, 30) for number in range(40)]
        assert 0 < found.num_images - found.num_training < 10

    def test_what_cannot_be_read_and_what_is_there_twice(self, found):
        assert len(found.unreadable) == 1 and found.unreadable[0].startswith('part1/broken.jpg (')
        assert [sorted(group) for group in found.copies] == [['part0/2.png', 'part0/copy.png']]

    def test_lines(self, found):
        first, unreadable, copies = found.lines()
        assert first.startswith('42 images (31 PNG, 10 JPEG), 20 to 59 pixels wide and 30 to 30 high. ')
        assert unreadable.startswith('1 of 42 looked at cannot be read and are left out, such as part1/broken.jpg')
        assert copies.startswith('1 are copies of others')

    def test_packed_files_and_lists_say_the_same(self, folder, found, tmp_path):
        pytest.importorskip('lmdb')
        from mmsimmim.datasets.packed.packing import pack
        packed = tmp_path / 'packed.lmdb'
        pack(str(folder), str(packed))
        again = survey(source_options(packed, tmp_path))
        assert again[1:] == found[1:]

    def test_a_folder_without_a_readable_image_is_told(self, tmp_path):
        for number in range(3):
            (tmp_path / f'{number}.png').write_bytes(b'nothing')
        with pytest.raises(UserError, match=r'None of 3 images in .* can be read. For example 0.png \(not an image\)'):
            survey(source_options(tmp_path, tmp_path))

    def test_a_single_image_is_told(self, tmp_path):
        Image.new('RGB', (20, 30)).save(tmp_path / 'one.png')
        with pytest.raises(UserError, match='holds a single image.* two at least'):
            survey(source_options(tmp_path, tmp_path))


def test_images_that_would_be_read_as_black_are_told_of(tmp_path):
    for number in range(3):
        Image.fromarray(np.full((8, 8), 200 + number, np.uint16)).save(tmp_path / f'{number}.tif')
    lost = [line for line in survey(source_options(tmp_path, tmp_path / 'out')).lines() if line.startswith('WARNING')]
    assert len(lost) == 1 and 'max_value=200' in lost[0]
