"""The benchmark of data loading at toy size: it runs, its figures fit together, mistakes are told."""

import json

import numpy as np
import pytest
from PIL import Image

from mmsimmim.datasets.packed.packing import pack
from mmsimmim.errors import UserError
from tests.tools.benchmarks.benchmark_scripts import load_script

dataloader = load_script('data.dataloader')
photographs = load_script('data.photographs')
pipelines = load_script('data.pipelines')
accuracy = load_script('data.accuracy')
TOY = ['--batch-size', '2', '--rounds', '2', '--warmup', '0', '--img-size', '32']


@pytest.fixture
def one_thread(monkeypatch):
    """The test process keeps its threads."""
    monkeypatch.setattr(pipelines, 'use_one_thread', lambda: None)


def test_figures_of_one_core_and_of_loaders(tmp_path, capsys, one_thread):
    file = tmp_path / 'out' / 'figures.json'
    dataloader.main([str(tmp_path / 'photos'), *TOY, '--make', '4', '--size', '90', '60', '--workers', '1',
                     '--json', str(file)])
    result = json.loads(file.read_text())
    core = {row['way']: row for row in result['core']}
    assert set(core) == {'official', 'ours', "ours, mmpretrain's transforms", 'mmpretrain, pillow', 'mmpretrain, cv2',
                         'OpenCV alone', 'Pillow alone', 'torchvision alone'}
    for row in core.values():
        low, high = row['quartiles_ms']
        assert 0 < low <= row['ms_per_image'] <= high
        assert row['images_per_second'] == pytest.approx(1e3 / row['ms_per_image'])
        assert row['times_official'] == pytest.approx(
            row['images_per_second'] / core['official']['images_per_second'])
        assert row['share_of_decoder'] == pytest.approx(
            row['images_per_second'] / core['OpenCV alone']['images_per_second'])
    assert core['ours']['difference'] < 0.05 and core['mmpretrain, cv2']['difference'] > 1
    assert core['Pillow alone']['difference'] is None and result['images'] == 4
    assert {row['way'] for row in result['loaders']} == set(core) - {
        'OpenCV alone', 'Pillow alone', 'torchvision alone'}
    assert all(row['workers'] == 1 and row['images_per_second'] > 0 for row in result['loaders'])
    printed = capsys.readouterr().out
    assert '| ours | ' in printed and 'share of OpenCV alone' in printed and '4 images, crops of 32 px' in printed


def test_all_ways_give_the_same_kind_of_batch(tmp_path):
    photographs.make_photographs(tmp_path / 'photos', 2, (90, 60))
    from mmengine.registry import init_default_scope
    init_default_scope('mmpretrain')
    files = [str(path) for path in sorted((tmp_path / 'photos').iterdir())]
    images, masks = pipelines.official_batch(files, 64)([0, 1], 0)
    assert images.shape == (2, 3, 64, 64) and masks.shape == (2, 16, 16) and (masks.flatten(1).sum(1) == 3 * 64).all()
    for name, make in pipelines.loaders(str(tmp_path / 'photos'), 64, None).items():
        batch = pipelines.batch_maker(name, make(), 2)([0, 1], 0)
        samples = batch['data_samples']
        masks = samples.mask if name.startswith('ours') else np.stack([sample.mask for sample in samples])
        assert batch['inputs'].shape == (2, 3, 64, 64) and masks.shape == (2, 16, 16)
        assert (masks.reshape(2, -1).sum(1) == 3 * 64).all()
    for decode in pipelines.decoders(files).values():
        assert [np.asarray(image).size for image in decode([0, 1], 0)] == [90 * 60 * 3] * 2


def test_a_packed_copy_takes_part(tmp_path, capsys, one_thread):
    pytest.importorskip('lmdb')
    photographs.make_photographs(tmp_path / 'photos', 2, (90, 60))
    packed = str(tmp_path / 'photos.lmdb')
    pack(str(tmp_path / 'photos'), packed)
    dataloader.main([str(tmp_path / 'photos'), *TOY, '--packed', packed])
    assert '| ours, packed | ' in capsys.readouterr().out


def test_photographs_are_made_once(tmp_path):
    photographs.make_photographs(tmp_path / 'photos', 3, (50, 40))
    assert [Image.open(path).size for path in sorted((tmp_path / 'photos').iterdir())] == [(50, 40)] * 3
    assert not list(tmp_path.glob('*.part'))
    with pytest.raises(SystemExit, match='is not empty'):
        dataloader.main([str(tmp_path / 'photos'), '--make', '1'])


def test_what_an_interrupted_run_left_is_not_mixed_in(tmp_path):
    (tmp_path / 'photos.part' / 'old').mkdir(parents=True)
    (tmp_path / 'photos.part' / '000009.jpg').write_bytes(b'half')
    photographs.make_photographs(tmp_path / 'photos', 1, (50, 40))
    assert [path.name for path in (tmp_path / 'photos').iterdir()] == ['000000.jpg']


def test_images_that_not_all_ways_read_are_left_out(tmp_path, capsys, one_thread):
    folder = tmp_path / 'photos'
    photographs.make_photographs(folder, 2, (90, 60))
    for name in ('a.webp', 'b.tiff', 'c.gif', 'd.bmp'):
        Image.new('RGB', (90, 60)).save(folder / name)
    Image.new('L', (90, 60)).save(folder / 'e.PNG')
    dataloader.main([str(folder), *TOY, '--rounds', '3', '--json', str(tmp_path / 'figures.json')])
    result = json.loads((tmp_path / 'figures.json').read_text())
    assert (result['images'], result['images_left_out']) == (3, 4)
    told = capsys.readouterr()
    assert '4 images left out' in told.err and '3 images, crops' in told.out


@pytest.mark.parametrize('content', [b'', b'no image', None])
def test_unreadable_files_are_named(tmp_path, content, one_thread):
    folder = tmp_path / 'photos'
    photographs.make_photographs(folder, 2, (90, 60))
    whole = (folder / '000001.jpg').read_bytes()
    (folder / 'bad.jpg').write_bytes(whole[:len(whole) // 2] if content is None else content)
    with pytest.raises(SystemExit, match=r'1 of 3 images cannot be read .*: [^,]*bad\.jpg \('):
        dataloader.main([str(folder), *TOY])


def test_opencv_saying_no_is_not_a_fast_decoder(monkeypatch, tmp_path):
    files = load_script('data.files')
    (tmp_path / 'a.jpg').write_bytes(b'x')
    monkeypatch.setattr(files, 'DECODERS', {'OpenCV alone': lambda data: None})
    with pytest.raises(UserError, match=r'a\.jpg \(OpenCV alone: no image\)'):
        files.require_readable([str(tmp_path / 'a.jpg')])


def test_a_packed_file_of_another_folder_is_refused(tmp_path, one_thread):
    pytest.importorskip('lmdb')
    photographs.make_photographs(tmp_path / 'photos', 3, (90, 60))
    photographs.make_photographs(tmp_path / 'fewer', 2, (90, 60))
    packed = str(tmp_path / 'fewer.lmdb')
    pack(str(tmp_path / 'fewer'), packed)
    with pytest.raises(SystemExit, match=r'ours, packed: .*fewer\.lmdb gives 2 images, where 3'):
        dataloader.main([str(tmp_path / 'photos'), *TOY, '--packed', packed])


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / 'notes.txt').write_text('no image')
    with pytest.raises(SystemExit, match='No images in .* --make 256'):
        dataloader.main([str(tmp_path)])
    with pytest.raises(SystemExit, match='is no folder'):
        dataloader.main([str(tmp_path / 'none')])


@pytest.mark.parametrize('arguments', [['--rounds', '0'], ['--img-size', '100'], ['--workers', '0'], ['--make', '0']])
def test_arguments_that_make_no_sense_are_refused(tmp_path, arguments, capsys):
    with pytest.raises(SystemExit) as error:
        dataloader.main([str(tmp_path), *arguments])
    assert error.value.code == 2 and arguments[0] in capsys.readouterr().err
