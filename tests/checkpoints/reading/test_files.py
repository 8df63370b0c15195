"""Files are known by their content, run nothing, and are written whole or not at all."""

import argparse
import gzip
import json
import os
import pickle
import random
import sys
import tarfile
import types
import zipfile

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from safetensors.torch import save_file

from mmsimmim.checkpoints import read_checkpoint, state_dict_of, write_checkpoint
from mmsimmim.checkpoints.reading.files import UnsafeCheckpoint, read_file
from mmsimmim.checkpoints.resuming.finder import find_fault
from mmsimmim.errors import UserError

WEIGHTS = {'stem.weight': torch.arange(6.).reshape(2, 3), 'stem.bias': torch.ones(2)}


def same(ours, theirs=None):
    theirs = WEIGHTS if theirs is None else theirs
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize('mmap', [False, True])
@pytest.mark.parametrize('name', ['weights.pth', 'weights.safetensors', 'weights', 'weights.txt'])
@pytest.mark.parametrize('kind', ['zip', 'legacy', 'safetensors'])
def test_the_content_decides_and_not_the_name(tmp_path, kind, name, mmap):
    path = str(tmp_path / name)
    if kind == 'safetensors':
        save_file(WEIGHTS, path)
    else:
        torch.save(WEIGHTS, path, _use_new_zipfile_serialization=kind == 'zip')
    assert same(read_checkpoint(path, mmap=mmap))


def test_settings_in_official_files_are_read_as_data(tmp_path, monkeypatch):
    """Official Swin files carry a yacs CfgNode, DeiT's and MAE's a Namespace; yacs need not be installed."""
    CfgNode = type('CfgNode', (dict, ), dict(__module__='yacs.config'))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'yacs', types.ModuleType('yacs'))
        patch.setitem(sys.modules, 'yacs.config', types.SimpleNamespace(CfgNode=CfgNode))
        config = CfgNode(MODEL=CfgNode(TYPE='swin'), LR=0.5)
        config.__dict__['__immutable__'] = True
        torch.save(dict(model=WEIGHTS, config=config, args=argparse.Namespace(lr=1), epoch=3), tmp_path / 'x.pth')
    checkpoint = read_checkpoint(str(tmp_path / 'x.pth'))
    assert checkpoint['config'] == dict(MODEL=dict(TYPE='swin'), LR=0.5) and checkpoint['args'].lr == 1
    assert same(state_dict_of(checkpoint))


class MakesFolder:
    """Pickles as a call that makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path, )


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'pickle'])
def test_code_in_a_file_does_not_run(tmp_path, kind):
    victim, path = tmp_path / 'victim', tmp_path / 'file.pth'
    content = dict(model=WEIGHTS, config=MakesFolder(victim))
    if kind == 'pickle':
        path.write_bytes(pickle.dumps(MakesFolder(victim), protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == 'zip')
    with pytest.raises(UnsafeCheckpoint, match=r'only with (posix|nt)\.mkdir, which may run code; it was not run'):
        read_checkpoint(str(path))
    assert not victim.exists()
    pickle.loads(pickle.dumps(MakesFolder(victim)))
    assert victim.exists(), 'the object does nothing, so the test above shows nothing'


def write_zip(path, **entries):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def write_header(path, header):
    path.write_bytes(len(header).to_bytes(8, 'little') + header)


def write_tar(path, name):
    with tarfile.open(path, 'w', format=tarfile.GNU_FORMAT, encoding='latin-1') as archive:
        archive.addfile(tarfile.TarInfo(name))


def cut(path, share, save):
    save(path)
    path.write_bytes(path.read_bytes()[:int(share * path.stat().st_size)])


def save_legacy(path):
    torch.save(dict(weight=torch.zeros(1000)), path, _use_new_zipfile_serialization=False)


def save_script(path):
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(path))


BAD_FILES = {
    'missing': (lambda path: None, 'does not exist'),
    'folder': (lambda path: (path.mkdir(), torch.save(WEIGHTS, path / 'epoch_1.pth')), 'is a folder.* epoch_1.pth'),
    'empty': (lambda path: path.write_bytes(b''), 'is empty'),
    'zip without its end': (lambda path: cut(path, 0.7, lambda path: torch.save(WEIGHTS, path)), 'is cut off'),
    'legacy without its end': (lambda path: cut(path, 0.7, save_legacy), 'is damaged or cut off'),
    'safetensors without its end': (lambda path: cut(path, 0.9, lambda path: save_file(WEIGHTS, path)), 'is cut off'),
    'header cut': (lambda path: cut(path, 0.2, lambda path: save_file(WEIGHTS, path)), 'is cut off'),
    'header broken': (lambda path: path.write_bytes((9).to_bytes(8, 'little') + b'{"a": 1]}'), 'header cannot be read'),
    'header of words': (lambda path: write_header(path, b'{"a": {"data_offsets": [0, "a"]}}'), 'header cannot be'),
    'header of nulls': (lambda path: write_header(path, b'{"a": {"data_offsets": [0, null]}}'), 'header cannot be'),
    'header of lists': (lambda path: write_header(path, b'{"a": ' + b'[' * 200_000), 'header cannot be read'),
    'tar': (lambda path: write_tar(path, 'pickle'), 'is a tar archive.* first versions'),
    'tar that begins as a pickle': (lambda path: write_tar(path, '\x80'), 'is a tar archive.* first versions'),
    'page': (lambda path: path.write_text('\n<!DOCTYPE html><html><title>404</title></html>'), 'is a web page'),
    'server': (lambda path: path.write_text('<?xml version="1.0"?><Error>AccessDenied</Error>'), 'message of a server'),
    'lfs': (lambda path: path.write_text('version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n'),
            'Git LFS pointer.* git lfs pull'),
    'annex': (lambda path: path.write_text('/annex/objects/SHA256E-s9--ab.pth\n'), 'git-annex'),
    'annex link': (lambda path: path.symlink_to('.git/annex/objects/xy'), 'is a link to .git/annex/objects/xy'),
    'index': (lambda path: path.write_text(json.dumps(dict(weight_map=dict(a='part-2.bin', b='part-1.bin')))),
              r'in 2 parts \(part-1.bin, part-2.bin\)'),
    'json': (lambda path: path.write_text('{"model": "swin"}'), 'is a JSON file'),
    'json of lists': (lambda path: path.write_text('{"a": ' + '[' * 200_000), 'is a JSON file'),
    'index of numbers': (lambda path: path.write_text('{"weight_map": {"a": 1, "b": 2}}'), 'is a JSON file'),
    'other zip': (lambda path: write_zip(path, **{'swin.pth': 'x'}), r'zip archive of other files \(swin.pth\)'),
    'gzip': (lambda path: path.write_bytes(gzip.compress(b'x')), 'compressed archive'),
    'text': (lambda path: path.write_text('Hello'), 'is not a checkpoint: it begins with .*Hello'),
    'script': (save_script, 'TorchScript'),
    'list': (lambda path: torch.save([1, 2], path), 'holds one list'),
    'model': (lambda path: torch.save(torch.nn.Linear(1, 1), path), r'only with torch.nn.modules.linear.Linear'),
}


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('kind', BAD_FILES)
def test_what_is_no_checkpoint_is_named(tmp_path, kind):
    make, message = BAD_FILES[kind]
    path = tmp_path / 'file.pth'
    make(path)
    with pytest.raises(UserError, match=message) as error:
        read_checkpoint(str(path))
    assert str(error.value).startswith(str(path)) and '\n' not in str(error.value)


def test_a_missing_file_is_a_file_not_found(tmp_path):
    (tmp_path / 'link.pth').symlink_to('nowhere')
    for name in ('x.pth', 'link.pth'):
        with pytest.raises(FileNotFoundError, match='not'):
            read_checkpoint(str(tmp_path / name))


def mutants(content, count, seed):
    """Copies of a file with one to three bytes changed, removed or repeated, mostly in what is not numbers."""
    dice = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(content)
        for _ in range(dice.randint(1, 3)):
            place = dice.randrange(len(mutant))
            change = dice.choice(['flip', 'any', 'any', 'extreme', 'remove', 'repeat'])
            if change == 'remove':
                del mutant[place:place + dice.randint(1, 8)]
            elif change == 'repeat':
                mutant[place:place] = mutant[place:place + dice.randint(1, 8)]
            else:
                mutant[place] = {'flip': mutant[place] ^ 1 << dice.randrange(8), 'any': dice.randrange(256),
                                 'extreme': dice.choice([0, 127, 128, 255])}[change]
        yield bytes(mutant)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('kind', ['zip', 'legacy', 'safetensors'])
def test_damage_of_any_kind_is_one_sentence(tmp_path, kind):
    path = tmp_path / 'epoch_1.pth'
    if kind == 'safetensors':
        save_file(WEIGHTS, path)
    else:
        torch.save(dict(state_dict=WEIGHTS, meta=dict(epoch=1)), path, _use_new_zipfile_serialization=kind == 'zip')
    faults = 0
    for mutant in mutants(path.read_bytes(), 300, seed=7):
        path.write_bytes(mutant)
        try:
            read_checkpoint(str(path))
        except UserError as error:
            faults += 1
            assert str(error).startswith(str(path)) and '\n' not in str(error)
        find_fault(str(path))
    assert 50 < faults < 300


def test_files_that_hold_one_tensor_can_be_read_as_files(tmp_path):
    torch.save(torch.ones(2), tmp_path / 'x.pth')
    assert torch.equal(read_file(str(tmp_path / 'x.pth')), torch.ones(2))


def prefixed(prefix):
    return {prefix + key: value for key, value in WEIGHTS.items()}


@pytest.mark.parametrize('checkpoint', [
    WEIGHTS, dict(model=WEIGHTS, optimizer=dict(state={}), epoch=1), dict(state_dict=WEIGHTS, meta=dict()),
    dict(model_state=WEIGHTS), dict(module=WEIGHTS), dict(model=dict(state_dict=WEIGHTS)), prefixed('module.'),
    prefixed('_orig_mod.'), prefixed('model.'), dict(state_dict=prefixed('module.model._orig_mod.')),
    {key.replace('stem.', 'stem._orig_mod._checkpoint_wrapped_module.'): value for key, value in WEIGHTS.items()},
    dict(model=WEIGHTS, model_ema=prefixed('ema.')), dict(model_ema=WEIGHTS), dict(state_dict_ema=prefixed('module.')),
    dict(ema=dict(prefixed('module.'), n_averaged=torch.tensor(3)))])
def test_parameters_are_found_and_named_without_wrappers(checkpoint):
    assert same(state_dict_of(checkpoint))


def test_names_that_only_begin_like_a_wrapper_stay():
    mixed = {'model.stem': torch.ones(1), 'head': torch.ones(1)}
    assert same(state_dict_of(mixed), mixed)


@pytest.mark.parametrize('key', ['state_dict_ema', 'model_ema', 'ema'])
def test_averages_on_demand(key):
    average = {name: value / 2 for name, value in WEIGHTS.items()}
    checkpoint = {'model': WEIGHTS, key: {f'module.{name}': value for name, value in average.items()}}
    assert same(state_dict_of(checkpoint)) and same(state_dict_of(checkpoint, ema=True), average)
    with pytest.raises(UserError, match='holds no running average'):
        state_dict_of(dict(model=WEIGHTS), ema=True)


def test_files_of_mmengines_average_hook_hold_the_average_where_mmengine_looks():
    """EMAHook exchanges the two when it saves."""
    model = torch.nn.Linear(2, 2)
    hook = EMAHook()
    hook.src_model, hook.ema_model, hook.enabled_by_epoch, hook.begin_iter = model, None, False, 0
    hook.ema_model = ExponentialMovingAverage(model)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    torch.nn.init.zeros_(model.weight)
    checkpoint = dict(state_dict=model.state_dict())
    hook.before_save_checkpoint(None, checkpoint)
    assert same(state_dict_of(checkpoint), average) and same(state_dict_of(checkpoint, ema=True), average)
    assert same(state_dict_of(dict(state_dict=checkpoint['ema_state_dict'])), model.state_dict())


def holding_itself(**others):
    checkpoint = dict(others)
    checkpoint['model'] = checkpoint
    return checkpoint


def test_a_dictionary_that_holds_itself_is_searched_once():
    assert same(state_dict_of(holding_itself(**WEIGHTS)))


@pytest.mark.parametrize('checkpoint, message', [
    ({0: torch.ones(1)}, 'must have names, no numbers'), (dict(model={1: torch.ones(1)}), 'must have names'),
    (dict(model={'a': torch.ones(1), 1: torch.ones(1)}), 'must have names'), (holding_itself(), 'no parameters'),
    (dict(optimizer=dict(state={0: torch.ones(1)}, param_groups=[])), 'state of an optimizer .* optimizer'),
    (dict(state={}, param_groups=[]), 'state of an optimizer'), (dict(), 'no parameters; its keys are none'),
    (dict(epoch=3, meta=dict()), 'no parameters; its keys are epoch, meta')])
def test_files_without_parameters_are_refused(checkpoint, message):
    with pytest.raises(UserError, match=message):
        state_dict_of(checkpoint)


@pytest.mark.parametrize('name', ['x.pth', 'x.safetensors'])
def test_written_files_are_whole(tmp_path, name):
    square = torch.arange(9.).reshape(3, 3)
    weights = dict(transposed=square.t(), row=square[0], same=square)
    write_checkpoint(str(tmp_path / name), weights, meta=dict(origin='here'))
    assert same(state_dict_of(read_checkpoint(str(tmp_path / name))), weights)
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).stat().st_size < 4000
    (tmp_path / 'plain').touch()
    assert (tmp_path / name).stat().st_mode == (tmp_path / 'plain').stat().st_mode


def test_keys_of_written_files(tmp_path):
    for key in ('model', None):
        write_checkpoint(str(tmp_path / f'{key}.pth'), WEIGHTS, key=key, meta=dict(origin='here'))
    assert same(torch.load(tmp_path / 'None.pth', weights_only=True))
    content = torch.load(tmp_path / 'model.pth', weights_only=True)
    assert same(content['model']) and content['meta'] == dict(origin='here')


def test_files_that_are_there_stay_unless_forced(tmp_path):
    path = tmp_path / 'x.pth'
    path.write_text('mine')
    with pytest.raises(UserError, match='exists already and is kept.* --force'):
        write_checkpoint(str(path), WEIGHTS)
    assert path.read_text() == 'mine'
    write_checkpoint(str(path), WEIGHTS, force=True)
    assert same(state_dict_of(read_checkpoint(str(path))))


@pytest.mark.parametrize('name, message', [
    ('none/x.pth', 'the folder .*none does not exist'), ('x.npz', 'must end in .pth, .pt, .bin, .safetensors'),
    ('taken.pth', 'is a folder')])
def test_places_that_cannot_be_written_are_named(tmp_path, name, message):
    (tmp_path / 'taken.pth').mkdir()
    with pytest.raises(UserError, match=message):
        write_checkpoint(str(tmp_path / name), WEIGHTS, force=True)
    assert os.listdir(tmp_path) == ['taken.pth']


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / 'x.pth'
    path.write_text('old')

    def fill_disk(content, target):
        with open(target, 'w') as file:
            file.write('half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', fill_disk)
    with pytest.raises(UserError, match='could not be written: .*No space left on device. Nothing was changed'):
        write_checkpoint(str(path), WEIGHTS, force=True)
    assert os.listdir(tmp_path) == ['x.pth'] and path.read_text() == 'old'
