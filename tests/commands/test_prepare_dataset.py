"""COCO and ADE20K, made up and packed as the real ones are, come to their places; faulty archives leave nothing."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from mmsimmim.commands import prepare_dataset as prepare
from mmsimmim.commands.common import published_data
from tests.datasets.checks.synthetic import annotation, write_image

WIDTH, HEIGHT = 40, 32  # smaller images are left out of a training


@pytest.fixture(scope='module')
def unpacked(tmp_path_factory):
    """Both datasets, unpacked somewhere."""
    from mmdet.datasets import CocoDataset
    root = tmp_path_factory.mktemp('unpacked')
    names = CocoDataset.METAINFO['classes']
    for split, ids in dict(train2017=(1, 2, 3), val2017=(4, 5)).items():
        for number in ids:
            write_image(root / 'coco' / split / f'{number:012}.jpg', number, (WIDTH, HEIGHT))
        content = dict(
            images=[dict(id=i, file_name=f'{i:012}.jpg', width=WIDTH, height=HEIGHT) for i in ids],
            annotations=[annotation(i, i, 1 + i, (3, 4, 10, 9)) for i in ids],
            categories=[dict(id=i, name=name) for i, name in enumerate(names, start=1)])
        path = root / 'coco' / 'annotations' / f'instances_{split}.json'
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    for split, number in dict(training=3, validation=1).items():
        for i in range(number):
            folder = root / 'ADEChallengeData2016'
            write_image(folder / 'images' / split / f'ADE_{split}_{i}.jpg', 10 * number + i, (WIDTH, HEIGHT))
            labels = np.resize(np.arange(151, dtype=np.uint8), (HEIGHT, WIDTH))
            path = folder / 'annotations' / split / f'ADE_{split}_{i}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(labels).save(path)
    return root


def pack(archive, root, *folders, before=''):
    """As the official archives are packed: the folder itself is in it."""
    with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as file:
        for folder in folders:
            for path in sorted((root / folder).rglob('*')):
                file.write(path, before + str(path.relative_to(root)))
    return archive


@pytest.fixture
def archives(tmp_path, unpacked):
    coco = [pack(tmp_path / f'{name}.zip', unpacked / 'coco', folder) for name, folder in (
        ('train2017', 'train2017'), ('val2017', 'val2017'), ('annotations_trainval2017', 'annotations'))]
    return dict(coco=coco, ade20k=[pack(tmp_path / 'ADEChallengeData2016.zip', unpacked, 'ADEChallengeData2016')])


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """A function that runs the tool with the root tmp_path/data; returns exit code or message, and output."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            prepare.main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().out

    return run


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('name, place, source', [
    ('coco', 'coco', 'coco'), ('ade20k', 'ade/ADEChallengeData2016', 'ADEChallengeData2016')])
def test_archives(run, archives, unpacked, tmp_path, name, place, source):
    code, output = run(name, *archives[name])
    assert code == 0 and '0 errors' in output
    assert contents(tmp_path / 'data' / place) == contents(unpacked / source)
    assert not list((tmp_path / 'data').rglob('.*'))
    code, output = run(name)
    assert code == 0 and 'there already, left as it is' in output and '0 errors' in output


def test_the_layout_is_the_one_of_the_stock_configs(run, archives, tmp_path):
    run('coco', *archives['coco'])
    run('ade20k', *archives['ade20k'])
    for dataset in prepare.DATASETS.values():
        cfg = prepare.read_config(dataset, f'data/{dataset.root}/')
        for split in ('train', 'val', 'test'):
            dataset = cfg[f'{split}_dataloader'].dataset
            for path in (dataset.get('ann_file'), *dataset.data_prefix.values()):
                assert not path or (tmp_path / dataset.data_root / path).exists()
        assert not cfg.val_evaluator.get('ann_file') or (tmp_path / cfg.val_evaluator.ann_file).exists()


@pytest.mark.parametrize('copy', [False, True])
def test_folders_are_linked_or_copied(run, unpacked, tmp_path, copy):
    code, output = run('coco', unpacked / 'coco', *(['--copy'] if copy else []))
    assert code == 0 and '0 errors' in output
    place = tmp_path / 'data' / 'coco' / 'train2017'
    assert place.is_symlink() != copy and contents(place) == contents(unpacked / 'coco' / 'train2017')
    code, _ = run('ade20k', unpacked / 'ADEChallengeData2016', '--root', tmp_path / 'elsewhere')
    assert code == 0 and (tmp_path / 'elsewhere' / 'ade' / 'ADEChallengeData2016' / 'images').is_dir()


def test_what_is_there_is_left_and_the_rest_is_added(run, archives, tmp_path, unpacked):
    shutil.copytree(unpacked / 'coco' / 'val2017', tmp_path / 'data' / 'coco' / 'val2017')
    mark = tmp_path / 'data' / 'coco' / 'val2017' / '000000000004.jpg'
    before = mark.stat().st_mtime_ns
    code, output = run('coco', archives['coco'][0], archives['coco'][2])
    assert code == 0 and 'val2017: there already' in output and mark.stat().st_mtime_ns == before


def test_all_in_one_archive_below_another_folder(run, tmp_path, unpacked):
    archive = pack(tmp_path / 'all.zip', unpacked / 'coco', 'train2017', 'val2017', 'annotations', before='my/coco/')
    with zipfile.ZipFile(archive, 'a') as file:
        file.writestr('__MACOSX/my/coco/train2017/._000000000001.jpg', 'x')
        file.writestr('my/old_train2017/x.jpg', 'x')
    assert run('coco', archive)[0] == 0
    assert contents(tmp_path / 'data' / 'coco') == contents(unpacked / 'coco')


def test_what_is_missing_is_named_before_anything_is_done(run, archives, tmp_path):
    message, _ = run('coco', *archives['coco'][:2])
    assert 'annotations is neither in data/coco/annotations nor in what was given' in message
    assert 'annotations_trainval2017.zip' in message and not (tmp_path / 'data').exists()
    assert 'none.zip does not exist' in run('coco', 'none.zip')[0]
    (tmp_path / 'text.zip').write_text('no archive')
    assert 'text.zip is no zip archive' in run('coco', 'text.zip')[0]


def test_folders_that_are_not_complete_are_the_users(run, archives, tmp_path):
    (tmp_path / 'data/coco/annotations').mkdir(parents=True)
    (tmp_path / 'data/coco/annotations/instances_val2017.json').write_text('{}')
    assert 'annotations exists, but lacks instances_train2017.json' in run('coco', *archives['coco'])[0]
    (tmp_path / 'data/coco/train2017').symlink_to(tmp_path / 'gone')
    assert 'train2017 is a link to' in run('coco', *archives['coco'])[0]


def damage(archive):
    """Change one byte of the content of the last file."""
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        entry = [entry for entry in file.infolist() if not entry.is_dir()][-1]
    content[entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2] ^= 0xff
    archive.write_bytes(content)


def test_damaged_archives_leave_nothing(run, archives, tmp_path):
    damage(archives['coco'][0])
    message, _ = run('coco', *archives['coco'])
    assert 'train2017.zip: train2017/000000000003.jpg cannot be unpacked' in message and 'again' in message
    assert not list((tmp_path / 'data' / 'coco').iterdir())


def test_rests_of_a_run_that_was_killed_are_removed(run, archives, tmp_path, unpacked):
    rest = tmp_path / 'data' / 'coco' / '.val2017.unfinished'
    rest.mkdir(parents=True)
    (rest / 'half.jpg').write_text('x')
    assert run('coco', *archives['coco'])[0] == 0 and not rest.exists()
    assert contents(tmp_path / 'data' / 'coco') == contents(unpacked / 'coco')


@pytest.mark.parametrize('name', ['train2017/../../../evil.jpg', 'train2017//etc/evil.jpg', 'train2017/a\\..\\evil.jpg',
                                  'train2017/C:/evil.jpg'])
def test_entries_that_lead_elsewhere(run, archives, tmp_path, name):
    with zipfile.ZipFile(archives['coco'][0], 'a') as file:
        file.writestr(name, 'x')
    message, _ = run('coco', *archives['coco'])
    assert 'leads elsewhere' in message and not (tmp_path / 'data/coco/train2017').exists()
    assert not [path for path in tmp_path.rglob('*evil*')]


def test_links_in_archives(run, archives, tmp_path):
    entry = zipfile.ZipInfo('train2017/link.jpg')
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archives['coco'][0], 'a') as file:
        file.writestr(entry, '/etc/passwd')
    assert 'is a link' in run('coco', *archives['coco'])[0] and not (tmp_path / 'data/coco/train2017').exists()


@pytest.mark.parametrize('source', ['archive', 'folder'])
def test_full_disks(run, archives, unpacked, tmp_path, monkeypatch, source):
    monkeypatch.setattr(published_data.shutil, 'disk_usage',
                        lambda folder: shutil._ntuple_diskusage(2**40, 2**40, 2**30 + 9))
    sources = archives['coco'] if source == 'archive' else [unpacked / 'coco', '--copy']
    message, _ = run('coco', *sources)
    assert 'has room for 0.0 GB' in message and not (tmp_path / 'data/coco/train2017').exists()


def test_stops_in_between_leave_nothing(run, archives, tmp_path, monkeypatch):

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(published_data.shutil, 'copyfileobj', stop)
    assert run('coco', *archives['coco'])[0] == 130
    assert not list((tmp_path / 'data' / 'coco').iterdir())


def test_faults_of_the_data_are_found_at_the_end(run, archives, unpacked, tmp_path):
    path = unpacked / 'coco' / 'annotations' / 'instances_val2017.json'
    content = json.loads(path.read_text())
    content['images'][0]['file_name'] = 'gone.jpg'
    (tmp_path / 'annotations').mkdir()
    shutil.copy(path.with_name('instances_train2017.json'), tmp_path / 'annotations')
    (tmp_path / 'annotations' / 'instances_val2017.json').write_text(json.dumps(content))
    code, output = run('coco', *archives['coco'][:2], tmp_path / 'annotations')
    assert code == 1 and '1 (gone.jpg)' in output
