"""Overhead of MMEngine's loop over the bare step of pre-training: hooks, log, schedule, optimizer wrapper.

    python tools/benchmarks/step/training_loop.py \
        configs/pretrain/simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py

Both train the same model with the same optimizer on one synthetic batch in memory, uint8 on the host, and alternate:
a number of steps of MMEngine's runner with all hooks of the config, then as many of the bare loop: preprocessor, loss,
backward, clipping, optimizer. What happens once per epoch (checkpoints, evaluation) is left out. A tiny model, whose
own work is short, comes first in any case. Each is timed a second time with the hook that MMEngine has for what a step
gave, which waits for the device and copies all earlier numbers; --history says how many there are.
"""

import argparse
import copy
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import torch  # noqa: E402
from mmengine.config import Config, ConfigDict  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from mmengine.logging import HistoryBuffer  # noqa: E402
from mmengine.optim import AmpOptimWrapper  # noqa: E402
from mmengine.registry import DATASETS, FUNCTIONS, HOOKS  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import Dataset  # noqa: E402

import mmsimmim  # noqa: E402, F401
from mmsimmim.analysis.image_size import image_size, pipeline_of  # noqa: E402
from mmsimmim.analysis.memory.synthetic_batch import synthetic_batch  # noqa: E402
from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from mmsimmim.commands.config.loading import read_config  # noqa: E402
from mmsimmim.datasets.masked_batch import collate_masked  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.kept_parts import train, write_json  # noqa: E402
from tools.benchmarks.machine import heading, markdown, provenance  # noqa: E402
from tools.benchmarks.stopwatch import Stopwatch, quartiles  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
TINY_BASE = CONFIGS / 'pretrain/simmim_swin-tiny-w6_8xb256-amp-coslr-100e_in1k-192px.py'
TINY = dict(arch=dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]), img_size=64, window_size=2)
TINY_BATCH = 2


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='*', type=Path, help='pre-training that counts in epochs, or several')
    parser.add_argument('--batch-size', type=int, help="images per step of these configs (default: the config's)")
    parser.add_argument('--steps', type=int, default=200, help='per turn; a multiple of the interval of the log '
                        'counts it as often as it comes (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=5, help='turns of each that count (default: %(default)s)')
    parser.add_argument('--history', type=int, default=0, metavar='STEPS', help='as if so many steps had been logged '
                        'before (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    args = parser.parse_args(argv)
    for name in ('batch_size', 'steps', 'rounds'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1, got {getattr(args, name)}')
    if args.history < 0:
        parser.error(f'--history must be at least 0, got {args.history}')
    return args


@DATASETS.register_module(force=True)
class OneBatch(Dataset):
    """The same batch in each step of an epoch.

    Args:
        steps (int): In an epoch.

    Attributes:
        batch (dict): As a data loader would give it; set before training.
    """

    metainfo: dict = {}

    def __init__(self, steps: int) -> None:
        self.batch: dict[str, Any] = {}
        self._steps = steps

    def __len__(self) -> int:
        """Steps of an epoch."""
        return self._steps

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The batch, with lists of its own, as a collate function makes them."""
        return {key: list(value) if isinstance(value, list) else value for key, value in self.batch.items()}


@FUNCTIONS.register_module(force=True)
def first_of(items: list) -> Any:
    """The only item: the dataset gives whole batches."""
    return items[0]


@HOOKS.register_module(force=True)
class TakeTurnsHook(Hook):
    """Time an epoch of the runner, and before it as many bare steps.

    Args:
        steps (int): In an epoch.
        rounds (int): Epochs that count; one before does not.
        shape (tuple[int, int]): Height and width of the images, pixels.
        batch_size (int): Images per step.
        masked_batch (bool): Whether the masks are one tensor, as ``collate_masked`` gives them.
        history (int): Numbers of each name that are in the log when the rounds that count begin.

    Attributes:
        bare (list[float]): Seconds of the bare steps of each round.
        loop (list[float]): Seconds of MMEngine's.
    """

    # Before the others, when an epoch ends: what they do then does not count.
    priority = 'HIGHEST'

    def __init__(self, steps: int, rounds: int, shape: tuple[int, int], batch_size: int, masked_batch: bool,
                 history: int) -> None:
        self.bare: list[float] = []
        self.loop: list[float] = []
        self._steps, self._rounds, self._shape, self._batch_size = steps, rounds, shape, batch_size
        self._masked_batch = masked_batch
        self._history = history

    def before_train(self, runner: Runner) -> None:
        """Make up the batch."""
        batch = synthetic_batch(runner.model, 'mmpretrain', self._shape, self._batch_size)
        if self._masked_batch:
            batch = collate_masked([dict(inputs=image, data_samples=sample) for image, sample in zip(*batch.values())])
        if torch.cuda.is_available():
            batch = {key: value.pin_memory() if hasattr(value, 'pin_memory') else value
                     for key, value in batch.items()}
        runner.train_dataloader.dataset.batch = batch
        self._bare_step = bare_step(runner)
        self._watch = Stopwatch(str(next(runner.model.parameters()).device))

    def before_train_epoch(self, runner: Runner) -> None:
        """Run the bare steps, and start the clock for the loop."""
        dataset = runner.train_dataloader.dataset
        self._watch.start()
        for index in range(self._steps):
            self._bare_step(dataset[index])
        self._watch.mark('steps')
        self.bare.append(self._watch.stop()['steps'])
        self._watch.start()

    def after_train_epoch(self, runner: Runner) -> None:
        """Stop the clock, and after the last round the training."""
        self._watch.mark('steps')
        self.loop.append(self._watch.stop()['steps'])
        if len(self.loop) == 1 and self._history:
            fill_history(runner, self._history)
        runner.train_loop.stop_training = len(self.loop) > self._rounds


def fill_history(runner: Runner, length: int) -> None:
    """Put zeros into the log in place of all numbers that a run has noted."""
    histories = runner.message_hub.log_scalars
    for name, history in histories.items():
        histories[name] = HistoryBuffer([0.] * length, [1] * length, history.max_length)


def bare_step(runner: Runner) -> Callable[[dict[str, Any]], None]:
    """A step of the runner's model and optimizer as PyTorch alone would do it."""
    model, wrapper = runner.model, runner.optim_wrapper
    device = next(model.parameters()).device.type
    amp = isinstance(wrapper, AmpOptimWrapper)
    dtype = torch.bfloat16
    max_norm = (runner.cfg.optim_wrapper.get('clip_grad') or {}).get('max_norm')

    def step(batch: dict[str, Any]) -> None:
        model.train()
        with torch.autocast(device, dtype, enabled=amp):
            loss = model(**model.data_preprocessor(batch, True), mode='loss')['loss']
        loss.backward()
        if max_norm:
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        wrapper.optimizer.step()
        wrapper.optimizer.zero_grad()

    return step


def tiny_config() -> Config:
    """The smallest model that is a SimMIM, with everything else as it is shipped."""
    cfg = Config.fromfile(TINY_BASE)
    cfg.model.backbone.update(TINY)
    cfg.model.neck.in_channels = TINY['arch']['embed_dims'] * 8
    cfg.train_dataloader.batch_size = TINY_BATCH
    crop = next(transform for transform in cfg.train_dataloader.dataset.pipeline if 'scale' in transform)
    crop.scale = TINY['img_size']
    return cfg


def prepare(cfg: Config, steps: int, rounds: int, work_dir: str, history: int = 0) -> None:
    """Let a config train on a batch in memory, without evaluation and checkpoints, and time it.

    Raises:
        UserError: It is no pre-training that counts in epochs, in bfloat16 or float32, on images of one size.
    """
    shape = image_size(pipeline_of(cfg, 'train_dataloader'))
    if cfg.get('default_scope') != 'mmpretrain' or cfg.model.type != 'mmsimmim.SimMIM' or shape is None:
        raise UserError('only configs of SimMIM whose pipeline makes images of one size can be timed.')
    if cfg.train_cfg.get('type', 'EpochBasedTrainLoop') != 'EpochBasedTrainLoop' or 'runner_type' in cfg:
        raise UserError("train_cfg and runner must be EpochBasedTrainLoop and MMEngine's Runner.")
    if cfg.optim_wrapper.get('dtype', 'bfloat16') != 'bfloat16':
        raise UserError('optim_wrapper.dtype must be bfloat16: the bare step scales no losses.')
    if cfg.train_cfg.max_epochs <= rounds:
        raise UserError(f'--rounds must be less than the {cfg.train_cfg.max_epochs} epochs of the config.')
    hook = dict(type='TakeTurnsHook', steps=steps, rounds=rounds, shape=shape,
                batch_size=cfg.train_dataloader.batch_size,
                masked_batch=cfg.train_dataloader.get('collate_fn', {}).get('type') == 'mmsimmim.collate_masked',
                history=history)
    cfg.train_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                                collate_fn=dict(type='first_of'), dataset=dict(type='OneBatch', steps=steps))
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.update(checkpoint=ConfigDict(cfg.default_hooks.checkpoint, interval=-1, save_last=False))
    cfg.default_hooks.pop('reconstruction', None)
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), hook]
    cfg.work_dir = work_dir


def measure(name: str, cfg: Config, args: argparse.Namespace) -> dict[str, Any]:
    """Time one config.

    Returns:
        dict: ``model``, ``batch_size``, and milliseconds per step: ``bare_ms``, ``loop_ms``, ``adds_ms`` (median of
        the differences of a round), with ``quartiles_ms`` of those, and ``share``, what is added relative to the bare
        step.
    """
    batch_size = cfg.train_dataloader.batch_size
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / 'stdout', 'w') as out, redirect_stdout(out):
        prepare(cfg, args.steps, args.rounds, folder, args.history)
        hook = next(hook for hook in train(cfg).hooks if isinstance(hook, TakeTurnsHook))
    bare, loop = ([1e3 * seconds / args.steps for seconds in times[1:]] for times in (hook.bare, hook.loop))
    low, adds, high = quartiles([ours - alone for ours, alone in zip(loop, bare)])
    alone = quartiles(bare)[1]
    return dict(model=name, batch_size=batch_size, bare_ms=alone, loop_ms=quartiles(loop)[1], adds_ms=adds,
                quartiles_ms=[low, high], share=adds / alone)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    configs = {'tiny': tiny_config()}
    for path in args.config:
        configs[path.stem] = cfg = read_config(str(path))
        cfg.train_dataloader.batch_size = args.batch_size or cfg.train_dataloader.batch_size
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    result = dict(steps=args.steps, rounds=args.rounds, **provenance(device), rows=[])
    for name, cfg in configs.items():
        theirs = copy.deepcopy(cfg)
        theirs.default_hooks.runtime_info = dict(type='RuntimeInfoHook')
        for label, config in ((name, cfg), (f"{name}, MMEngine's hook", theirs)):
            result['rows'].append(measure(label, config, args))
            if args.json:
                write_json(args.json, result)
    print(f"{heading(result, ('torch', 'mmengine', 'mmpretrain', 'mmsimmim'))}; {args.rounds} turns of {args.steps} "
          f'steps of each, {args.history} steps logged before\n')
    print(table(result['rows']))


def table(rows: list[dict[str, Any]]) -> str:
    """What :func:`measure` gave, in Markdown."""
    head = ['model', 'images per step', 'bare step, ms', "MMEngine's loop, ms", 'added, ms (quartiles)', 'added']
    return markdown(head, [
        [row['model'], str(row['batch_size']), f"{row['bare_ms']:.2f}", f"{row['loop_ms']:.2f}",
         f"{row['adds_ms']:.2f} ({row['quartiles_ms'][0]:.2f}–{row['quartiles_ms'][1]:.2f})", f"{row['share']:+.1%}"]
        for row in rows])


if __name__ == '__main__':
    main()
