"""A flipped bit is found wherever a file is read: init_cfg, load_from, converters."""

import os

import numpy as np
import pytest
import torch

from mmsimmim.checkpoints import read_checkpoint
from mmsimmim.checkpoints.loading import load_from_local
from mmsimmim.checkpoints.reading import checksums
from mmsimmim.checkpoints.resuming.finder import find_fault
from mmsimmim.commands.convert_checkpoint import main as convert
from mmsimmim.commands.inspect_checkpoint import main as inspect
from mmsimmim.errors import UserError
from tests.commands.conftest import CONFIG, message_of  # noqa: F401  a fixture

WEIGHT = torch.arange(1000.)


def save(path, flip=True):
    torch.save(dict(state_dict=dict(weight=WEIGHT), meta=dict(epoch=1)), path)
    if flip:
        flip_bit(path)
    return str(path)


def flip_bit(path):
    """In the middle of the tensor."""
    content = bytearray(path.read_bytes())
    content[content.index(np.float32(500).tobytes() + np.float32(501).tobytes())] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize('read', [
    read_checkpoint, lambda path: read_checkpoint(path, mmap=True), load_from_local], ids=['whole', 'mmap', 'MMEngine'])
def test_no_reader_takes_a_flipped_bit(read, tmp_path):
    assert torch.equal(read(save(tmp_path / 'good.pth', flip=False))['state_dict']['weight'], WEIGHT)
    path = save(tmp_path / 'bad.pth')
    with pytest.raises(UserError, match=f'{path} is damaged: its part .*data/0. does not match its checksum'):
        read(path)


@pytest.mark.parametrize('command, arguments', [(convert, ['out.pth', '--to', 'backbone']), (inspect, [])])
def test_no_tool_does(command, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        command([save(tmp_path / 'bad.pth'), *arguments])
    assert 'does not match its checksum' in caught.value.code and os.listdir() == ['bad.pth']


@pytest.mark.parametrize('option', ['load_from', 'model.backbone.init_cfg.checkpoint'])
def test_no_training_does(option, message_of, tmp_path):  # noqa: F811
    path = save(tmp_path / 'bad.pth')
    message = message_of(CONFIG, '--work-dir', tmp_path / 'work', '--cfg-options', f'{option}={path}',
                         'model.backbone.init_cfg.type=Pretrained')
    assert f'{option}: the checkpoint {path} is damaged: its part' in message


@pytest.mark.parametrize('value, skipped', [('1', True), ('0', False), ('', False)])
def test_the_switch(value, skipped, tmp_path, monkeypatch):
    monkeypatch.setenv('MMSIMMIM_SKIP_CHECKSUMS', value)
    path = save(tmp_path / 'bad.pth')
    assert (find_fault(path) is None) == skipped
    if skipped:
        assert not torch.equal(read_checkpoint(path)['state_dict']['weight'], WEIGHT)
    else:
        with pytest.raises(UserError, match='MMSIMMIM_SKIP_CHECKSUMS=1'):
            read_checkpoint(path)


def test_a_file_is_compared_once_until_it_changes(tmp_path, monkeypatch):
    path, compared, compare = tmp_path / 'x.pth', [], checksums.find_broken_part
    save(path, flip=False)
    monkeypatch.setattr(checksums, 'find_broken_part', lambda path: compared.append(path) or compare(path))
    read_checkpoint(str(path)), load_from_local(str(path))
    assert compared == [str(path)]
    flip_bit(path)
    os.utime(path, (1, 1))
    with pytest.raises(UserError, match='does not match'):
        read_checkpoint(str(path))
