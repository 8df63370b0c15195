"""Every way in which a checkpoint gets into the program, and whether what came in is what the file holds."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner, load_checkpoint
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import Tensor
from torch.utils.data import DataLoader

from mmsimmim.checkpoints import convert_state_dict, read_checkpoint, state_dict_of
from mmsimmim.checkpoints.engine import known_part
from mmsimmim.checkpoints.resuming.finder import find_checkpoint
from mmsimmim.checkpoints.resuming.resume import set_resume
from mmsimmim.commands.checks.finished import describe_finished
from mmsimmim.commands.checks.model_files import check_initial_weights
from mmsimmim.commands.convert_checkpoint import main as convert
from mmsimmim.commands.inspect_checkpoint import main as inspect
from mmsimmim.datasets import collate_masked
from mmsimmim.engine.hooks.resuming.check_architecture import require_same_architecture
from mmsimmim.engine.hooks.resuming.check_training_state import require_same_training
from mmsimmim.engine.hooks.resuming.follow_schedule import follow_schedule
from mmsimmim.engine.hooks.resuming.keep_implementation import keep_implementation
from mmsimmim.engine.hooks.resuming.own_folder import keep_to_own_folder
from mmsimmim.errors import UserError
from tests.engine.steps import make_samples
from tests.models.tiny import build


def trained(folder: Path) -> Runner:
    """A runner after two steps, whose checkpoint is in the folder."""
    warnings.simplefilter('ignore')
    model = build(preprocessor=dict(type='mmsimmim.SimMIMDataPreprocessor', mean=[120.] * 3, std=[60.] * 3,
                                    bgr_to_rgb=True))
    runner = Runner(
        model=model, work_dir=str(folder), train_cfg=dict(by_epoch=True, max_epochs=1),
        train_dataloader=DataLoader(make_samples(4), batch_size=2, collate_fn=collate_masked),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3), clip_grad=dict(max_norm=1)),
        param_scheduler=[dict(type='mmsimmim.WarmupCosineLR', warmup=0.5, warmup_ratio=0.1, min_ratio=0.1,
                              convert_to_iter_based=True)],
        default_hooks=dict(runtime_info=dict(type='mmsimmim.RuntimeInfoHook'), logger=dict(type='LoggerHook'),
                           checkpoint=dict(type='mmsimmim.CheckpointHook', interval=1)),
        default_scope='mmpretrain', experiment_name='attack', randomness=dict(seed=0), log_level='ERROR')
    with contextlib.redirect_stdout(io.StringIO()):
        runner.train()
    for require in (require_same_architecture, require_same_training, keep_implementation, keep_to_own_folder,
                    follow_schedule):
        require(runner)
    return runner


class Doors:
    """The ways in, for files in one folder.

    Args:
        runner (Runner): Of :func:`trained`.
        folder (Path): What is written goes here.
    """

    def __init__(self, runner: Runner, folder: Path) -> None:
        self.runner, self.folder, self.configs = runner, folder, folder / 'configs'
        self.configs.mkdir()
        self.blank = build(seed=1)

    def read(self, path: Path, content: Any) -> None:
        """Python's way, and what MMEngine's loader does, from the disk and mapped."""
        for mmap in (False, True):
            read = read_checkpoint(str(path), mmap=mmap)
            try:
                read = state_dict_of(read)
            except UserError as error:  # a dictionary has no name
                raise UserError(f'{path}: {error}') from error
            same(read, state_dict_of(content))

    def load_from(self, path: Path, content: Any) -> None:
        """``load_from`` and ``init_cfg`` of a whole model, after the look that training takes."""
        check_initial_weights(Config(dict(model={}, load_from=str(path))))
        with warned() as messages:
            load_checkpoint(self.blank, str(path), map_location='cpu')
        loaded = {name: value.clone() for name, value in self.blank.state_dict().items()}
        _load_checkpoint_to_model(self.blank, dict(state_dict=state_dict_of(content)))
        same(loaded, self.blank.state_dict())
        finite = all(value.isfinite().all() for name, value in loaded.items() if name.startswith('backbone.'))
        assert finite or any('infinite or no numbers' in message for message in messages), 'NaN without a word'

    def init_cfg(self, path: Path, content: Any) -> None:
        """``init_cfg`` of a backbone."""
        backbone = self.blank.backbone
        backbone.init_cfg, backbone._is_init = dict(type='Pretrained', checkpoint=str(path), prefix='backbone.'), False
        backbone.init_weights()
        expected = convert_state_dict(known_part(dict(state_dict_of(content))), to='mmsimmim')
        for name, value in backbone.state_dict().items():
            if f'backbone.{name}' in expected:  # a few may be missing, which the log says
                same({name: value}, {name: expected[f'backbone.{name}'].to(value.dtype)})

    def convert(self, path: Path, content: Any) -> None:
        """The converter, there and as safetensors."""
        out = self.folder / 'out.safetensors'
        convert([str(path), str(out), '--to', 'mmsimmim', '--force'])
        same(read_checkpoint(str(out)), convert_state_dict(state_dict_of(content), to='mmsimmim'))

    def inspect(self, path: Path, content: Any) -> None:
        """The command that says what a file holds."""
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            inspect([str(path), '--configs', str(self.configs)])
        total = sum(value.numel() for value in state_dict_of(content).values())
        assert f'{total / 1e6:.1f} million' in text.getvalue(), text.getvalue()
        assert '\x1b' not in text.getvalue() and len(text.getvalue()) < 100_000

    def resume(self, path: Path, content: Any) -> None:
        """``--resume`` with its looks, the loading of all states, and a step."""
        runner = self.runner
        cfg = Config(dict(work_dir=str(self.folder), train_cfg=dict(max_epochs=9), param_scheduler=[dict()]))
        set_resume(cfg, str(path))
        describe_finished(cfg)
        runner._load_from, runner._resume, runner._has_loaded = cfg.load_from, True, False
        runner.load_or_resume()
        same(runner.model.state_dict(), state_dict_of(content))
        self._same_training(content)
        for parameter in runner.model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        runner.call_hook('before_train')
        runner.optim_wrapper.step()
        for scheduler in runner.param_schedulers:
            scheduler.step()
        runner.message_hub.get_scalar('train/lr').current()
        torch.save([runner.message_hub.state_dict(), runner.optim_wrapper.state_dict()], self.folder / 'next.pth')
        assert all(value.isfinite().all() for value in runner.model.state_dict().values()), 'not finite after a step'

    def _same_training(self, content: Any) -> None:
        state = self.runner.optim_wrapper.optimizer.state_dict()
        for number, values in content['optimizer']['state'].items():
            for key, value in values.items():
                assert torch.equal(state['state'][number][key], torch.as_tensor(value)), f'{number} {key}'
        assert (self.runner.epoch, self.runner.iter) == (content['meta']['epoch'], content['meta']['iter'])

    def note(self, path: Path, content: Any) -> None:
        """``last_checkpoint``, which names what is resumed; only a whole checkpoint of the folder is."""
        found, messages = find_checkpoint([str(path.parent)])
        assert found == str(path.parent / 'epoch_1.pth'), found
        assert all(message.isprintable() for message in messages), messages


@contextlib.contextmanager
def warned() -> Iterator[list[str]]:
    """The warnings in the log."""
    messages, handler, logger = [], logging.Handler(logging.WARNING), MMLogger.get_current_instance()
    handler.emit = lambda record: messages.append(record.getMessage())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """The same names, types and bits, whatever is NaN."""
    assert list(map(str, sorted(one))) == list(map(str, sorted(other))), f'{set(one) ^ set(other)}'
    for name, value in one.items():
        expected = other[name]
        assert isinstance(value, Tensor) and value.dtype == expected.dtype and value.shape == expected.shape, name
        pair = [one.clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8)
                for one in (value, expected)]
        assert torch.equal(*pair), f'{name} has other values'
