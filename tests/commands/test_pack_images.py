"""The tool that packs image folders."""

import io
import multiprocessing
import os
import re
import signal
import struct

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from torch.utils.data import DataLoader

from mmsimmim.commands import pack_images
from mmsimmim.commands.checks.data_files import check_data_files, naming_packed_files
from mmsimmim.datasets import LoadImage, PackedImageFolder
from mmsimmim.datasets.packed import file as packed_file
from mmsimmim.datasets.packed import packing
from mmsimmim.datasets.packed import writer as packed_writer
from mmsimmim.datasets.packed.file import COMMIT, FORMAT, MANIFEST, PATHS, PackedFile
from mmsimmim.errors import UserError
from tests.commands.killers import die

lmdb = pytest.importorskip('lmdb')


def picture(seed, size=(48, 64)):
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def folder(tmp_path):
    """Pictures in nested folders, and a file that is none."""
    (tmp_path / 'images' / 'deep').mkdir(parents=True)
    for seed in range(12):
        cv2.imwrite(str(tmp_path / 'images' / ('deep' if seed % 2 else '.') / f'{seed}.jpg'), picture(seed))
    (tmp_path / 'images' / 'broken.png').write_text('no image')
    return tmp_path / 'images'


@pytest.fixture
def run(capsys):
    """A function that runs the tool in this process and returns (error or None, printed text, error stream)."""

    def call(*arguments):
        error = None
        try:
            pack_images.main(list(map(str, arguments)))
        except SystemExit as stop:
            error = str(stop)
        printed = capsys.readouterr()
        return error, printed.out, printed.err

    return call


def finished(path):
    """All records of a finished file."""
    PackedFile(str(path)).close()
    return content(path)


def content(path):
    """All records of a file, which is not open."""
    with lmdb.open(str(path), subdir=False, readonly=True, lock=False) as database, database.begin() as records:
        return dict(records.cursor())


def change(path, key, value):
    """Change or (None) delete a record."""
    PackedFile(str(path)).close()
    with lmdb.open(str(path), subdir=False) as database, database.begin(write=True) as records:
        records.delete(key) if value is None else records.put(key, value)
    os.remove(f'{path}-lock')


def test_files_are_stored_as_they_are_in_the_order_of_the_folder(run, folder, tmp_path):
    out = tmp_path / 'new' / 'out.lmdb'
    error, printed, told = run(folder, out)
    assert error is None
    assert printed.startswith(f"{out}: 13 images, 1 of which are unreadable by LoadImage's defaults; 0.")
    assert told == ("unreadable by LoadImage's defaults, with which a training passes over it: broken.png: not an "
                    'image\n')
    assert os.listdir(out.parent) == ['out.lmdb']
    packed = PackedFile(str(out))
    assert packed.paths() == sorted(os.path.relpath(path, folder) for path in folder.rglob('*.*g'))
    assert all(packed.read(path) == (folder / path).read_bytes() for path in packed.paths())
    assert run('--check', out) == (None, f'{out}: 13 records are as they were packed\n', '')
    assert ', packed before, ' in run(folder, out)[1]


def test_smaller_images(run, folder, tmp_path):
    """Made smaller as LoadImage gives them, turned, antialiased; never larger; nothing that would lose depth."""
    turned = Image.fromarray(picture(20, (64, 96))[..., ::-1].copy())
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter turn clockwise
    turned.save(folder / 'turned.png', exif=exif)
    Image.fromarray(np.dstack([picture(21), np.full((48, 64), 7, np.uint8)])).save(folder / 'alpha.png')
    cv2.imwrite(str(folder / 'deep.png'), picture(22)[..., 0].astype(np.uint16) * 257)
    cv2.imwrite(str(folder / 'small.png'), picture(23, (30, 40)))
    cv2.imwrite(str(folder / 'long.png'), np.zeros((40, 100_000), np.uint8))
    out = tmp_path / 'out.lmdb'
    assert run(folder, out, '--short-side', 32, '--quality', 100, '--workers', 3)[0] is None
    packed = PackedFile(str(out))
    for name, side in {'turned.png': (48, 32), 'alpha.png': (32, 43), '0.jpg': (32, 43)}.items():
        loaded = LoadImage()(dict(img_path=str(folder / name)))['img']
        stored = Image.open(io.BytesIO(packed.read(name)))
        assert stored.format == 'JPEG' and stored.size == side[::-1]
        expected = Image.fromarray(loaded[..., ::-1]).resize(side[::-1], Image.Resampling.LANCZOS)
        brightness = [np.asarray(image.convert('L'), np.float32) for image in (stored, expected)]
        assert np.abs(brightness[0] - brightness[1]).mean() < 2  # JPEG halves the resolution of colours
    for name in ('deep.png', 'small.png', 'long.png', 'broken.png'):
        assert packed.read(name) == (folder / name).read_bytes()
    assert run('--check', out)[0] is None


def test_quality(run, folder, tmp_path):
    sizes = []
    for quality in (50, 95):
        assert run(folder, tmp_path / f'{quality}.lmdb', '--short-side', 40, '--quality', quality)[0] is None
        packed = PackedFile(str(tmp_path / f'{quality}.lmdb'))
        sizes.append(sum(len(packed.read(path)) for path in packed.paths()))
    assert sizes[0] < 0.8 * sizes[1]
    assert run(folder, tmp_path / '95.lmdb', '--short-side', 40)[0] is None  # the default


def test_suffixes(run, folder, tmp_path):
    (folder / 'x.jpgx').write_bytes((folder / '0.jpg').read_bytes())
    assert run(folder, tmp_path / 'out.lmdb', '--suffixes', 'JPGX')[0] is None
    assert PackedFile(str(tmp_path / 'out.lmdb')).paths() == ['x.jpgx']


# Where to die: a function, which call of it, and how many images must have been in the file by then.
MOMENTS = dict(
    encoding=('encode', packing, 8, 0),
    before_the_first_commit=('checksum', packed_writer, 1, 0),
    between_commits=('checksum', packed_writer, 7, 3),
    within_a_commit=('key_of', packed_writer, 6, 3),
    before_the_file_gets_its_name=('replace', packing.os, 1, 13))


def pack_and_die(moment, *arguments):
    """In a process of its own: pack in small commits into a file that has to grow, and die by SIGKILL."""
    cv2.setNumThreads(0)
    packing.COMMIT_BYTES, packed_writer.MAP_SIZE = 6000, 2**14
    name, owner, left, _ = MOMENTS[moment]
    call = getattr(owner, name)

    def dies(*args):
        nonlocal left
        left -= 1
        return call(*args) if left else die()

    setattr(owner, name, dies)
    pack_images.main(list(map(str, arguments)))


@pytest.mark.parametrize('moment', MOMENTS)
def test_a_killed_conversion_goes_on(run, folder, tmp_path, monkeypatch, moment):
    out = tmp_path / 'out.lmdb'
    process = multiprocessing.get_context('fork').Process(target=pack_and_die, args=(moment, folder, out))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL and not out.exists()
    if moment != 'before_the_file_gets_its_name':
        for name in (out, f'{out}.part') if moment != 'before_the_first_commit' else (out, ):
            assert run('--check', name)[0] == (
                f'error: {out}.part was not packed to the end. The command that began it goes on from there: '
                f'tools/dataset_converters/pack_images.py FOLDER {out}, with the same options.')
    encoded, encode = [], packing.encode
    monkeypatch.setattr(packing, 'encode', lambda *args: encoded.append(args[1]) or encode(*args))
    monkeypatch.setattr(packing, 'COMMIT_BYTES', 6000)
    assert run(folder, out)[0] is None
    assert len(encoded) <= 13 - MOMENTS[moment][-1]
    assert run(folder, tmp_path / 'whole.lmdb')[0] is None
    assert finished(out) == finished(tmp_path / 'whole.lmdb')
    assert run('--check', out)[0] is None
    assert {name for name in os.listdir(tmp_path) if 'lmdb' in name} == {'out.lmdb', 'whole.lmdb'}


def test_a_database_that_has_to_grow(run, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(packed_writer, 'MAP_SIZE', 2**14)
    assert run(folder, tmp_path / 'out.lmdb')[0] is None
    assert (tmp_path / 'out.lmdb').stat().st_size > 2 * 2**14
    assert run('--check', tmp_path / 'out.lmdb')[0] is None


@pytest.fixture
def begun(run, folder, tmp_path, monkeypatch):
    """A conversion that stopped after its second commit."""
    out = tmp_path / 'out.lmdb'
    commit = packed_writer.Conversion.commit

    def stops(self, batch):
        if self.done >= 2:
            raise KeyboardInterrupt
        commit(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(packing, 'COMMIT_BYTES', 1)
        patch.setattr(packed_writer.Conversion, 'commit', stops)
        assert run(folder, out)[0] == '130'
    return out


def test_only_the_same_conversion_goes_on(run, folder, begun, tmp_path):
    before = content(f'{begun}.part')
    os.rename(folder, tmp_path / 'moved')
    assert run(tmp_path / 'moved', begun)[0] == (
        f'error: {begun}.part holds the images of {folder}, not of {tmp_path}/moved. Give another name for the new '
        f'file, or delete {begun}.part.')
    os.rename(tmp_path / 'moved', folder)
    assert 'begun with short_side = None, not 40.' in run(folder, begun, '--short-side', 40)[0]
    assert 'begun with suffixes = ' in run(folder, begun, '--suffixes', 'jpg')[0]
    (folder / 'new.jpg').write_bytes((folder / '0.jpg').read_bytes())
    assert 'there were 13 images, now there are 14, such as new.jpg.' in run(folder, begun)[0]
    os.remove(folder / '0.jpg')
    assert 'there were 13 images, now there are 13, such as 0.jpg, new.jpg.' in run(folder, begun)[0]
    assert content(f'{begun}.part') == before


def test_a_finished_file_is_not_replaced_by_another(run, folder, tmp_path):
    assert run(folder, tmp_path / 'out.lmdb')[0] is None
    before = finished(tmp_path / 'out.lmdb')
    assert 'begun with short_side = None, not 40.' in run(folder, tmp_path / 'out.lmdb', '--short-side', 40)[0]
    assert finished(tmp_path / 'out.lmdb') == before


def test_two_at_once(run, folder, begun, monkeypatch):
    """Another process commits while this one is at it."""
    write = packed_writer.Conversion._write

    def after_another(self, start, records):
        with self._database.begin(write=True) as transaction:
            text = transaction.get(packed_writer.MANIFEST)
            transaction.put(packed_writer.MANIFEST, text.replace(b'"done": 2', b'"done": 3'))
        write(self, start, records)

    monkeypatch.setattr(packed_writer.Conversion, '_write', after_another)
    assert run(folder, begun)[0] == f'error: Another process is packing into {begun}.part, too. This one stops.'


def test_a_full_disk(run, folder, begun, monkeypatch):
    def full(self, transaction, start):
        raise lmdb.Error('No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(packed_writer.Conversion, '_require_alone', full)
        assert run(folder, begun)[0] == (f'error: Cannot write {begun}.part: No space left on device. What is packed '
                                         'so far stays; the same command goes on from there.')
    assert run(folder, begun)[0] is None and run('--check', begun)[0] is None


def test_storage_that_fails_for_a_moment(run, folder, begun, monkeypatch):
    """What may pass is not noted as unreadable."""
    def fails(*args):
        raise OSError(5, 'Input/output error')

    with monkeypatch.context() as patch:
        patch.setattr(packing, 'open_file', fails)
        assert 'Input/output error. What is packed so far stays' in run(folder, begun)[0]
    assert run(folder, begun)[0] is None and run('--check', begun)[1].endswith('13 records are as they were packed\n')


@pytest.mark.parametrize('key, value, fault', [
    (b'0.jpg', b'other', '0.jpg: not the 5 bytes that were packed'),
    (b'deep/1.jpg', None, 'deep/1.jpg: missing'),
    (b'extra', b'more', 'extra: not in the list of images'),
    (PATHS, b'0.jpg\x0010.jpg', '2.jpg: not in the list of images'),
    (PATHS, b'10.jpg\x000.jpg', 'the list of images is not in order')])
def test_the_check_names_what_is_bad(run, folder, tmp_path, key, value, fault):
    out = tmp_path / 'out.lmdb'
    assert run(folder, out)[0] is None
    change(out, key, value)
    error, printed, _ = run('--check', out)
    lines = printed.splitlines()
    assert fault in lines and (len(lines) == 1 or key == PATHS)
    assert error == f'error: {out}: {len(lines)} faults in 13 records. Copy the file again, or pack anew.'


def test_the_check_finds_a_single_bit(run, folder, tmp_path):
    out = tmp_path / 'out.lmdb'
    assert run(folder, out)[0] is None
    image = (folder / '4.jpg').read_bytes()
    changed = bytearray(image)
    changed[len(image) // 2] ^= 1
    # pages that are no longer in use may hold it, too
    (tmp_path / 'copy.lmdb').write_bytes(out.read_bytes().replace(image, changed))
    assert run('--check', tmp_path / 'copy.lmdb')[1] == f'4.jpg: not the {len(image)} bytes that were packed\n'


def test_a_damaged_database_names_the_image(run, folder, tmp_path, monkeypatch):
    out = tmp_path / 'out.lmdb'
    assert run(folder, out)[0] is None

    def damaged(path):
        raise lmdb.CorruptedError('page')

    with monkeypatch.context() as patch:
        patch.setattr(packed_file, 'key_of', damaged)
        assert PackedFile(str(out)).read('4.jpg') is None
    assert PackedFile(str(out)).read('4.jpg') == (folder / '4.jpg').read_bytes()


def test_a_damaged_page_ends_neither_the_check_nor_a_training(run, folder, tmp_path):
    """A page says that an image has a gigabyte: LMDB reads beyond the file, and the process gets a signal."""
    out = tmp_path / 'out.lmdb'
    cv2.imwrite(str(folder / 'large.png'), np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8))
    assert run(folder, out)[0] is None
    enlarge(out, b'large.png')
    assert re.fullmatch(f'error: {out} is damaged: reading it ended a process with SIG(BUS|SEGV). Copy the file '
                        'again, or pack anew.', run('--check', out)[0])
    config = Config(dict(train_dataloader=dict(dataset=dict(type='mmsimmim.PackedImageFolder', data_root=str(out)))))
    check_data_files(config, ('train', ))  # which does not read the images
    dataset = PackedImageFolder(str(out), pipeline=[dict(type='mmsimmim.LoadImage')])
    with pytest.raises(UserError, match=f'ended by a signal while it read {out}. The file is damaged .*--check'):
        with naming_packed_files(config):
            list(DataLoader(dataset, num_workers=1, collate_fn=len))


def enlarge(path, key):
    """Write a size of a gigabyte into the pages' entries for a key."""
    data = bytearray(path.read_bytes())
    places = [found.start() for found in re.finditer(re.escape(struct.pack('<HH', 1, len(key)) + key), data)]
    for place in places:
        data[place - 4:place] = struct.pack('<I', 1 << 30)
    assert places
    path.write_bytes(data)


@pytest.mark.parametrize('key, value', [
    (MANIFEST, b'{'), (MANIFEST, b'[]'), (MANIFEST, b'[' * 100000), (MANIFEST, b'{"format": "%s"}' % FORMAT.encode()),
    (MANIFEST, None), (MANIFEST, b'\xff\xfe'), (COMMIT + bytes(8), b'[1]'), (COMMIT + bytes(8), b'{"checksums": 3}'),
    (COMMIT + bytes(8), b'{"checksums": [], "unreadable": [1]}'), (COMMIT + bytes(8), b'{"checksums": [[]]}')])
def test_hostile_lists_are_told_with_the_file(run, folder, tmp_path, key, value):
    out = tmp_path / 'out.lmdb'
    assert run(folder, out)[0] is None
    change(out, key, value)
    assert run('--check', out)[0].startswith(f'error: {out} is ')
    config = Config(dict(train_dataloader=dict(dataset=dict(type='mmsimmim.PackedImageFolder', data_root=str(out)))))
    with pytest.raises(UserError, match=f'train_dataloader.dataset.data_root: {out} is '):
        check_data_files(config, ('train', ))


def test_words_about_the_progress(run, folder, tmp_path, monkeypatch):
    assert 'packed 13 of 13' not in run(folder, tmp_path / 'quick.lmdb')[2]
    monkeypatch.setattr(pack_images, 'WORD_EVERY', -1)
    assert 'packed 13 of 13 images after 0 s\n' in run(folder, tmp_path / 'slow.lmdb')[2]
    assert run('--check', tmp_path / 'slow.lmdb')[2] == 'checked 13 of 13 images after 0 s\n'


def test_the_check_decodes(run, folder, tmp_path, monkeypatch):
    """An image of which nobody noted that it cannot be decoded."""
    monkeypatch.setattr(packing, 'LoadImage', lambda: lambda results: dict(img=np.zeros((8, 8, 3), np.uint8)))
    assert run(folder, tmp_path / 'out.lmdb')[0] is None
    assert run('--check', tmp_path / 'out.lmdb')[1] == 'broken.png: not an image\n'


@pytest.mark.parametrize('arguments, message', [
    (['nowhere', 'out.lmdb'], 'error: There is no folder nowhere (working folder: '),
    (['empty', 'out.lmdb'], 'error: No images in empty or the folders below it. Looked for names that end in .jpg'),
    (['images', 'taken/out.lmdb'], 'error: Cannot write taken/out.lmdb.part: '),
    (['images', 'empty'], "error: 'empty' is a folder"),
    (['--check', 'nowhere'], "error: The file of packed images 'nowhere' does not exist")])
def test_mistakes(run, folder, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'taken').write_text('a file')
    error, printed, _ = run(*arguments)
    assert error.startswith(message) and not printed
    assert sorted(os.listdir(tmp_path)) == ['empty', 'images', 'taken']


@pytest.mark.parametrize('arguments, message', [
    ([], 'give the folder and the file, or --check FILE'),
    (['images', 'out', '--quality', 90], '--quality belongs to --short-side'),
    (['images', 'out', '--short-side', 0], '--short-side must lie between 1 and 65500, got 0'),
    (['images', 'out', '--short-side', 9, '--quality', 101], '--quality must lie between 1 and 100, got 101'),
    (['images', 'out', '--workers', 0], '--workers must lie between 1 and 1024, got 0'),
    (['images', '--check', 'out'], '--check FILE goes without')])
def test_mistakes_of_the_arguments(run, arguments, message):
    error, _, told = run(*arguments)
    assert error == '2' and message in told
