"""MMEngine's checkpoints are read and resumed; files that would run code are refused before they do."""

import builtins
import pickle
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner, checkpoint
from mmengine.runner.checkpoint import load_checkpoint

import mmsimmim  # noqa: F401
from mmsimmim.compat import checkpoint_globals

from .hostile_states import DTYPE_STATES, PLAIN, Made, array, dtype, save

TORCH = tuple(int(part) for part in torch.__version__.split('+')[0].split('.')[:2])


class Line(BaseModel):
    """The smallest thing a Runner trains."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x, y, mode='tensor'):
        return dict(loss=(self.layer(x) - y).square().mean())


def points():
    x = torch.linspace(-1, 1, 8)[:, None].repeat(1, 2)
    return [(sample, sample.sum(0, keepdim=True)) for sample in x]


def make_runner(work_dir, epochs, **kwargs):
    torch.manual_seed(0)
    optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9), clip_grad=dict(max_norm=1.0))
    return Runner(
        Line(),
        str(work_dir),
        train_dataloader=dict(
            dataset=points(),
            batch_size=4,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='default_collate'),
        ),
        optim_wrapper=kwargs.pop('optim_wrapper', optim_wrapper),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        param_scheduler=dict(type='MultiStepLR', milestones=[1], end=3),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        log_level='WARNING',
        experiment_name=f'run{epochs}{kwargs}',
        **kwargs,
    )


def test_runner_resumes_its_own_checkpoint(tmp_path):
    straight = make_runner(tmp_path / 'straight', 3)
    straight.train()

    make_runner(tmp_path / 'parts', 1).train()
    resumed = make_runner(tmp_path / 'parts', 3, resume=True)
    resumed.train()

    assert resumed.epoch == 3 and resumed.iter == 6
    assert torch.equal(resumed.model.layer.weight, straight.model.layer.weight)
    losses = [runner.message_hub.get_scalar('train/loss') for runner in (straight, resumed)]
    np.testing.assert_array_equal(losses[0].data[0], losses[1].data[0])
    assert losses[1].mean() == losses[0].mean()


def test_checkpoint_with_everything_mmengine_may_put_there_is_read_weights_only(tmp_path):
    buffer = HistoryBuffer([1.0, 3.0], [1, 1])
    contents = dict(
        meta=dict(dataset_meta=ConfigDict(classes=('a', 'b'), palette=np.zeros((2, 3), np.uint8)), seed=3),
        state_dict=OrderedDict(weight=torch.ones(2)),
        message_hub=dict(
            log_scalars=OrderedDict(loss=buffer),
            runtime_info=OrderedDict(
                best=np.float64(0.5), low=np.float32(0.25), count=np.int64(7), flag=np.bool_(True)
            ),
            resumed_keys=OrderedDict(loss=True),
        ),
    )
    torch.save(contents, tmp_path / 'file.pth')
    loaded = torch.load(tmp_path / 'file.pth', weights_only=True)
    assert loaded['message_hub']['log_scalars']['loss'].statistics('mean') == 2.0
    assert loaded['message_hub']['log_scalars']['loss'].statistics('current') == 3.0
    assert loaded['message_hub']['runtime_info'] == contents['message_hub']['runtime_info']
    assert loaded['meta']['dataset_meta'].classes == ('a', 'b')
    np.testing.assert_array_equal(loaded['meta']['dataset_meta'].palette, np.zeros((2, 3)))


@pytest.mark.parametrize('package', [b'numpy.core', b'numpy._core'])
def test_numbers_of_both_numpy_generations_are_read(tmp_path, package):
    torch.save([np.float64(0.5), np.arange(3)], tmp_path / 'own.pth')
    names = {b'numpy._core.multiarray': package + b'.multiarray', b'numpy.core.multiarray': package + b'.multiarray'}
    rewrite_pickle(tmp_path / 'own.pth', tmp_path / 'other.pth', names)
    number, array = torch.load(tmp_path / 'other.pth', weights_only=True)
    assert number == 0.5
    np.testing.assert_array_equal(array, [0, 1, 2])


def rewrite_pickle(source, target, names):
    """Copy a file of torch.save with other module names in its pickle."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, 'w') as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry.endswith('data.pkl'):
                for before, after in names.items():
                    data = data.replace(b'c' + before + b'\n', b'c' + after + b'\n')
            new.writestr(entry, data)


# --- hostile files ---


class WritesFile:
    """Its pickle calls ``open(path, 'w')``."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def save_raw(pickled: bytes, path):
    """A checkpoint with the given pickle inside, as torch.save would pack it."""
    torch.save(0, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in entries.items():
            archive.writestr(name, pickled if name.endswith('data.pkl') else data)


def text(string: str) -> bytes:
    encoded = string.encode()
    return b'X' + struct.pack('<I', len(encoded)) + encoded


def getattr_pickle(*chain: bytes, argument: str) -> bytes:
    """getattr(...getattr(HistoryBuffer, chain[0])..., chain[-1])(argument)."""
    body = b'cmmengine.logging.history_buffer\nHistoryBuffer\n'
    for name in chain:
        body = b'cbuiltins\ngetattr\n' + body + text(name.decode()) + b'\x86R'
    return b'\x80\x02' + body + text(argument) + b'\x85R.'


def initialise(file, work_dir):
    model = Line()
    model.init_cfg = dict(type='Pretrained', checkpoint=file)
    model.init_weights()


ROUTES = dict(
    load_checkpoint=lambda file, work_dir: load_checkpoint(Line(), file),
    load_from=lambda file, work_dir: make_runner(work_dir, 1, load_from=file).load_or_resume(),
    resume=lambda file, work_dir: make_runner(work_dir, 1, load_from=file, resume=True).load_or_resume(),
    init_cfg=initialise,
    other_storage=lambda file, work_dir: load_checkpoint(Line(), f's3://{file}'),
)


@pytest.fixture
def s3(monkeypatch):
    """A storage that MMEngine reads by itself, with the files of this machine in it."""
    storage = SimpleNamespace(get=lambda name: Path(name.removeprefix('s3://')).read_bytes())
    monkeypatch.setattr(checkpoint, 'get_file_backend', lambda *args, **kwargs: storage)


@pytest.mark.usefixtures('s3')
@pytest.mark.parametrize('route', ROUTES)
def test_no_route_into_mmengine_runs_the_code_in_a_file(tmp_path, route):
    if route == 'other_storage' and TORCH < (2, 6) and not hasattr(checkpoint, '_safe_torch_load'):
        pytest.skip('torch.load of this version runs whatever a file says, unless told not to')
    victim, file = tmp_path / 'victim', tmp_path / 'file.pth'
    torch.save(dict(state_dict=dict(), meta=WritesFile(str(victim))), file)
    with pytest.raises(pickle.UnpicklingError):
        ROUTES[route](str(file), tmp_path / 'work')
    assert not victim.exists()

    torch.load(file, weights_only=False)
    assert victim.exists(), 'the file is harmless, so the test above shows nothing'


@pytest.mark.usefixtures('s3')
@pytest.mark.skipif(TORCH < (2, 6), reason='torch.load of this version runs whatever a file says, unless told not to')
def test_other_storages_give_out_no_attributes_either(tmp_path):
    save_raw(getattr_pickle(b'__init__', b'__globals__', argument='anything'), tmp_path / 'file.pth')
    with pytest.raises(pickle.UnpicklingError, match='refused'):
        ROUTES['other_storage'](str(tmp_path / 'file.pth'), None)


@pytest.mark.parametrize(
    'chain',
    [
        (b'__init__', b'__globals__'),
        (b'_statistics_methods',),
        (b'register_statistics',),
        (b'mean', b'__globals__'),
        (b'__class__',),
        (b'update',),
    ],
)
def test_getattr_in_a_checkpoint_reaches_only_the_statistics(tmp_path, chain):
    save_raw(getattr_pickle(*chain, argument='anything'), tmp_path / 'file.pth')
    with pytest.raises(pickle.UnpicklingError, match='refused'):
        torch.load(tmp_path / 'file.pth', weights_only=True)


def test_getattr_cannot_be_used_to_run_code(tmp_path):
    victim = tmp_path / 'victim'
    save_raw(b'\x80\x02cos\nsystem\n' + text(f'touch {victim}') + b'\x85R.', tmp_path / 'system.pth')
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'system.pth', weights_only=True)

    # numpy.ndarray is listed, but only to be made, not to give out its methods.
    tofile = b'\x80\x02cbuiltins\ngetattr\ncnumpy\nndarray\n' + text('tofile') + b'\x86R' + text(str(victim))
    save_raw(tofile + b'\x85R.', tmp_path / 'tofile.pth')
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'tofile.pth', weights_only=True)
    assert not victim.exists()


def test_guard_gives_out_exactly_four_methods():
    for name in ('min', 'max', 'mean', 'current'):
        assert checkpoint_globals.guarded_getattr(HistoryBuffer, name) is getattr(HistoryBuffer, name)

    class Disguise(HistoryBuffer):
        """Not the class itself."""

    class Name(str):
        """Compares as it likes."""

        def __hash__(self):
            return hash('mean')

        def __eq__(self, other):
            return True

    instance = HistoryBuffer([1.0], [1])
    for owner, name in [(Disguise, 'mean'), (instance, 'mean'), (HistoryBuffer, Name('x')), (dict, 'get')]:
        with pytest.raises(pickle.UnpicklingError):
            checkpoint_globals.guarded_getattr(owner, name)


def test_real_getattr_is_left_alone():
    assert builtins.getattr is not checkpoint_globals.guarded_getattr
    assert getattr(Config(dict(a=1)), 'a') == 1  # noqa: B009


def test_message_hub_state_survives_a_file(tmp_path):
    hub = MessageHub('checkpoint-globals-test')
    hub.update_scalar('train/loss', 0.5)
    hub.update_info('iter', 3)
    torch.save(hub.state_dict(), tmp_path / 'hub.pth')
    other = MessageHub('checkpoint-globals-other')
    other.load_state_dict(torch.load(tmp_path / 'hub.pth', weights_only=True))
    assert other.get_scalar('train/loss').current() == 0.5
    assert other.get_info('iter') == 3


# --- states that are no code, and corrupt memory ---


def read(value, path):
    save(value, path)
    return torch.load(path, weights_only=True)


def test_no_state_of_an_admitted_type_crashes_the_process(tmp_path):
    done = subprocess.run([sys.executable, '-m', 'tests.compat.hostile_states', str(tmp_path), '400', '1'],
                          cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, f'ended by signal {-done.returncode}: {done.stderr[-1000:]}'
    assert 'refused' in done.stdout and "'read'" in done.stdout


@pytest.mark.parametrize('state', [state for state in DTYPE_STATES if state != PLAIN])
def test_a_dtype_is_made_of_its_string_alone(tmp_path, state):
    with pytest.raises(pickle.UnpicklingError, match='refused'):
        read(dtype('f8', state), tmp_path / 'file.pth')


@pytest.mark.parametrize('name', ['O', 'V16', 'S8', 'M8', 'f8,O', 'c16', b'f8'])
def test_dtypes_that_are_no_plain_numbers_are_refused(tmp_path, name):
    with pytest.raises(pickle.UnpicklingError, match='refused'):
        read(dtype(name, PLAIN), tmp_path / 'file.pth')


def test_arrays_are_filled_once_with_the_bytes_that_they_take(tmp_path):
    doubles, booleans = dtype('f8', PLAIN), dtype('b1', (3, '|', *PLAIN[2:]))
    whole = (1, (2, ), doubles, False, struct.pack('<2d', 1, 2))
    np.testing.assert_array_equal(read(array(whole), tmp_path / 'file.pth'), [1, 2])
    for hostile in (array(whole, whole), array((1, (3, ), doubles, False, b' ' * 16)),
                    array((1, (-2, ), doubles, False, b' ' * 16)), array((1, (1, ), booleans, False, b'\2')),
                    array((1, (1 << 62, 1 << 62, 0), doubles, False, b'')), Made('numpy ndarray', ((4, ), 'f8')),
                    Made('numpy ndarray', ((4, ), 'O'), new=True),
                    Made('numpy ndarray', ((4, ), 'f8'), whole, new=True)):
        with pytest.raises(pickle.UnpicklingError, match='refused'):
            read(hostile, tmp_path / 'file.pth')


@pytest.mark.parametrize('state', [{'mean': 1}, {'_log_history': [1.0], '_count_history': [1]}, {}, (), None,
                                   {'_statistics_methods': {'mean': Made('collections OrderedDict')}}])
def test_a_history_holds_two_lists_of_numbers_and_its_own_statistics(tmp_path, state):
    with pytest.raises(pickle.UnpicklingError, match='refused'):
        read(Made('mmengine.logging.history_buffer HistoryBuffer', (), state, new=True), tmp_path / 'file.pth')


@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('name', ['bool', 'i1', 'u2', 'i4', 'i8', 'f2', 'f4', 'f8'])
def test_numbers_of_both_byte_orders_are_what_was_saved_and_are_saved_again(tmp_path, name, order):
    saved = np.array([[0, 1], [1, 0], [1, 1]]).astype(np.dtype(name).newbyteorder(order))
    buffer = HistoryBuffer([0.5, 2.5], [1, 1])
    for _ in range(2):
        torch.save([saved, np.asfortranarray(saved), saved.ravel()[1], buffer], tmp_path / 'file.pth')
        loaded, fortran, number, buffer = torch.load(tmp_path / 'file.pth', weights_only=True)
        assert loaded.dtype.newbyteorder('=') == number.dtype.newbyteorder('=') == np.dtype(name) and number == 1
        np.testing.assert_array_equal(loaded, [[0, 1], [1, 0], [1, 1]])
        np.testing.assert_array_equal(fortran, loaded)
        assert type(loaded + loaded) is np.ndarray and type(loaded.sum()) is type(np.ones(1, name).sum())
        assert type(buffer) is HistoryBuffer and type(buffer.data[0]) is np.ndarray and buffer.mean() == 1.5
        saved = loaded
    torch.save(np.zeros(2), tmp_path / 'plain.pth')
    torch.save(torch.load(tmp_path / 'plain.pth', weights_only=True), tmp_path / 'again.pth')
    assert type(torch.load(tmp_path / 'again.pth', weights_only=False)) is np.ndarray
