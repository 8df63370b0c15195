"""A packed image folder gives what the folder gives."""

import os
import pickle
import shutil
import sys

import numpy as np
import pytest
from mmengine.fileio import LmdbBackend
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmsimmim.datasets import ImageFolder, PackedImageFolder, SeededSampler
from mmsimmim.datasets.packed.file import PackedFile, key_of
from mmsimmim.datasets.packed.packing import pack
from mmsimmim.errors import UserError

pytest.importorskip('lmdb')

PIPELINE = [
    dict(type='mmsimmim.SeedSample'),
    dict(type='mmsimmim.LoadImage'),
    dict(type='RandomResizedCrop', scale=32, backend='pillow'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='mmsimmim.SimMIMMaskGenerator', input_size=32, mask_patch_size=8, model_patch_size=2),
    dict(type='PackInputs', meta_keys=('sample_idx', 'img_path'))
]


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpretrain')


@pytest.fixture
def packed(folder, tmp_path_factory):
    """The packed folder, some files of which cannot be read."""
    (folder / '0.jpg').write_bytes((folder / '0.jpg').read_bytes()[:-100])
    (folder / 'a' / '1.png').write_text('not an image')
    (folder / 'a' / 'empty.png').write_text('')
    (folder / 'a' / 'gone.png').symlink_to('nowhere.png')
    out = tmp_path_factory.mktemp('packed') / 'images.lmdb'
    pack(str(folder), str(out))
    return out


def read(dataset, ranks, epoch, monkeypatch):
    """What each rank gets in an epoch: path below the root, pixels, mask and what was passed over."""
    samples = []
    for rank in range(ranks):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, ranks))
        sampler = SeededSampler(dataset, seed=5)
        sampler.set_epoch(epoch)
        for index in sampler:
            sample = dataset[index]
            found = sample['data_samples']
            samples.append((rank, found.sample_idx, os.path.relpath(found.img_path, dataset.data_root),
                            sample['inputs'].numpy().tobytes(), np.asarray(found.mask).tobytes(),
                            found.get('skipped_files')))
    return samples


@pytest.mark.parametrize('split', [None, 'train', 'val'])
def test_the_samples_of_all_ranks_are_those_of_the_folder(folder, packed, monkeypatch, split):
    options = dict(split=split, val_ratio=0.4, pipeline=PIPELINE)
    whole, file = ImageFolder(str(folder), **options), PackedImageFolder(str(packed), **options)
    epochs = [read(whole, 4, epoch, monkeypatch) for epoch in range(2)]
    assert [read(file, 4, epoch, monkeypatch) for epoch in range(2)] == epochs
    assert epochs[0] != epochs[1] and len({sample[0] for sample in epochs[0]}) == 4
    if split is None:
        skipped = {path: why for sample in epochs[0] for path, why in (sample[-1] or {}).items()}
        assert set(skipped) == {'0.jpg', 'a/1.png', 'a/empty.png', 'a/gone.png'}
        assert skipped['a/gone.png'] == 'No such file or directory'


def test_the_description_of_a_sample(folder, packed):
    whole, file = ImageFolder(str(folder)), PackedImageFolder(str(packed))
    for index in (0, 3, -1):
        ours, theirs = file.get_data_info(index), whole.get_data_info(index)
        assert ours.pop('img_path').removeprefix(str(packed)) == theirs.pop('img_path').removeprefix(str(folder))
        assert ours == theirs


@pytest.mark.parametrize('start', ['fork', pytest.param('spawn', marks=pytest.mark.slow)])
def test_workers_open_the_file_for_themselves(folder, packed, start):
    dataset = PackedImageFolder(str(packed), pipeline=PIPELINE[1:2])
    expected = [dataset[i]['img'] for i in range(4)]  # it is open in this process
    loader = DataLoader(dataset, batch_size=2, sampler=range(4), num_workers=1 if start == 'spawn' else 2,
                        collate_fn=list, multiprocessing_context=start)
    found = [sample['img'] for batch in loader for sample in batch]
    assert all(np.array_equal(one, other) for one, other in zip(found, expected)) and len(found) == 4
    assert np.array_equal(dataset[0]['img'], expected[0])


def test_two_data_sets_of_one_file_in_one_process(packed):
    train, val = (PackedImageFolder(str(packed), split=split, val_ratio=0.4, pipeline=PIPELINE[1:2])
                  for split in ('train', 'val'))
    assert train[0]['img'].shape == val[0]['img'].shape
    assert pickle.loads(pickle.dumps(train))[0]['sample_id'] == train[0]['sample_id'] != val[0]['sample_id']


def test_mmengines_runner_builds_it(packed):
    loader = Runner.build_dataloader(dict(
        batch_size=2, num_workers=0, sampler=dict(type='mmsimmim.SeededSampler', shuffle=True),
        dataset=dict(type='mmsimmim.PackedImageFolder', data_root=str(packed), pipeline=PIPELINE)), seed=0)
    assert len(next(iter(loader))['inputs']) == 2


def test_mmengines_back_end_reads_it(folder, packed):
    backend = LmdbBackend(shutil.copy(packed, packed.with_name('copy.lmdb')), subdir=False)
    assert backend.get('a/b/2.JPEG') == (folder / 'a' / 'b' / '2.JPEG').read_bytes()


def test_a_file_that_took_the_place_of_another(folder, packed, tmp_path):
    before = PackedImageFolder(str(packed), pipeline=PIPELINE[1:2])[5]['img']
    pack(str(folder), str(tmp_path / 'new.lmdb'), short_side=20)
    os.replace(tmp_path / 'new.lmdb', packed)
    after = PackedImageFolder(str(packed), pipeline=PIPELINE[1:2])[5]['img']
    assert min(before.shape[:2]) == 48 and min(after.shape[:2]) == 20


def test_suffixes_choose_among_what_was_packed(folder, packed):
    assert len(PackedImageFolder(str(packed), suffixes=['PNG'])) == len(ImageFolder(str(folder), suffixes=['PNG'])) == 5
    with pytest.raises(UserError, match=r'No images in .*\.heic; set `suffixes`'):
        PackedImageFolder(str(packed), suffixes=['.heic'])


def test_names_of_any_length_and_script(tmp_path, write_image):
    names = ['ä/日本.jpg', '/'.join('d' * 100 for _ in range(6)) + '.jpg', os.fsdecode(b'latin-\xe9.jpg')]
    for name in names:
        target = tmp_path / 'images' / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / 'one.jpg').rename(target)
    pack(str(tmp_path / 'images'), str(tmp_path / 'out.lmdb'))
    dataset = PackedImageFolder(str(tmp_path / 'out.lmdb'), pipeline=PIPELINE[1:2])
    assert {sample['sample_id'] for sample in dataset} == {
        sample['sample_id'] for sample in ImageFolder(str(tmp_path / 'images'), pipeline=PIPELINE[1:2])}
    assert len(dataset) == 3


def test_long_keys_that_begin_alike_differ():
    one, other = (key_of('x' * 600 + end) for end in 'ab')
    assert one != other and len(one) == len(other) == 511
    assert key_of('x' * 511) == b'x' * 511


class TestRefused:

    def test_missing(self, tmp_path):
        with pytest.raises(UserError, match="nowhere.lmdb' does not exist.*pack_images.py"):
            PackedImageFolder(str(tmp_path / 'nowhere.lmdb'))
        with pytest.raises(UserError, match='needs data_root'):
            PackedImageFolder('')

    def test_a_folder(self, folder):
        with pytest.raises(UserError, match='is a folder.*mmsimmim.ImageFolder'):
            PackedImageFolder(str(folder))

    @pytest.mark.parametrize('content', [b'', b'no database' * 1000])
    def test_other_files(self, tmp_path, content):
        (tmp_path / 'x.lmdb').write_bytes(content)
        with pytest.raises(UserError, match='x.lmdb is not a file of packed images'):
            PackedImageFolder(str(tmp_path / 'x.lmdb'))

    def test_another_database(self, tmp_path):
        import lmdb
        with lmdb.open(str(tmp_path / 'x.lmdb'), subdir=False) as database, database.begin(write=True) as records:
            records.put(b'key', b'value')
        with pytest.raises(UserError, match='LMDB database, but not one that'):
            PackedImageFolder(str(tmp_path / 'x.lmdb'))

    def test_a_copy_that_is_cut_off(self, packed, tmp_path):
        content = packed.read_bytes()
        (tmp_path / 'copy.lmdb').write_bytes(content[:len(content) // 2])
        with pytest.raises(UserError, match=f'cut off: it has {len(content) // 2} bytes of {len(content)}'):
            PackedImageFolder(str(tmp_path / 'copy.lmdb'))
        (tmp_path / 'copy.lmdb').write_bytes(content)
        assert len(PackedFile(str(tmp_path / 'copy.lmdb')).paths()) == 14

    def test_without_the_library(self, packed, monkeypatch):
        monkeypatch.setitem(sys.modules, 'lmdb', None)
        with pytest.raises(UserError, match='pip install lmdb'):
            PackedImageFolder(str(shutil.copy(packed, packed.with_name('copy.lmdb'))))
