"""Time Mask R-CNN and UPerNet with this package's Swin beside mmdet's and mmsegmentation's own, in one run.

    python tools/benchmarks/step/downstream.py --arch base --dtype bfloat16 --device cuda --compile

The models are those of the shipped configs; both Swins have the same random weights, see the same synthetic images and
labels, and alternate. Training: forward, losses, backward, clipping and fused AdamW; a detector's first stage
proposes boxes near the objects, as after some training, instead of those of random weights. Inference:
from normalised images to boxes, masks and label maps; random weights find few objects or none, so that what is made
of objects counts little. The first steps are left out. Figures are medians, with the quartiles. The losses of both
before the first step, in the precision of the run, are printed.

--compile adds ours compiled as training does it, and the framework's with its backbone compiled (dynamic=False).
"""

import argparse
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import torch  # noqa: E402
import torch._inductor.config  # noqa: E402
from torch import Tensor, nn  # noqa: E402

import mmsimmim  # noqa: E402, F401
from mmsimmim.analysis.memory.synthetic_batch import set_synthetic_proposals, synthetic_batch  # noqa: E402
from mmsimmim.commands.common.mistakes import report_mistakes  # noqa: E402
from mmsimmim.engine.compiling import WATCHED_STEPS, compile_model  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.kept_parts import write_json  # noqa: E402
from tools.benchmarks.machine import heading, provenance, require_device  # noqa: E402
from tools.benchmarks.step.downstream_models import ARCHS, TASKS, Task, build_pair, model_config  # noqa: E402
from tools.benchmarks.step.downstream_report import make_row, print_result  # noqa: E402
from tools.benchmarks.step.training_step import TrainingStep  # noqa: E402
from tools.benchmarks.stopwatch import Stopwatch, take_turns  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--task', nargs='+', choices=TASKS, default=list(TASKS), help='(default: both)')
    parser.add_argument('--arch', choices=ARCHS, default='tiny', help='Swin Transformer (default: %(default)s)')
    parser.add_argument('--size', type=int, metavar='PIXELS', help='side of the images (default: det 1024, seg 512)')
    parser.add_argument('--batch-size', type=int, help='images per step (default: det 4, seg 8)')
    parser.add_argument('--dtype', choices=['float32', 'bfloat16'], default='float32', help='autocast to this')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--compile', action='store_true', help='also time compiled models')
    parser.add_argument('--steps', type=int, default=20, help='timed steps of each model (default: %(default)s)')
    parser.add_argument('--warmup', type=int, default=3, help='steps before (default: %(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the figures here')
    args = parser.parse_args(argv)
    for name in ('size', 'batch_size', 'steps', 'warmup'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1, got {getattr(args, name)}')
    if 'seg' in args.task and args.batch_size == 1:
        parser.error('--batch-size 1: UPerNet pools an image to one pixel, of which batch norm needs two; take 2, or '
                     '--task det')
    return args


class Program:
    """A detector or segmentor, for training and inference.

    Args:
        model (nn.Module): The model.
        batch (dict): Of :func:`synthetic_batch`.
        device (str): Where.
        dtype (torch.dtype): Autocast to this; float32 for none.

    Attributes:
        first_loss (float): The loss before the first step.
        training (TrainingStep): Its training.
        inference (list[float]): Seconds of each timed inference.
    """

    def __init__(self, model: nn.Module, batch: dict[str, Any], device: str, dtype: torch.dtype) -> None:
        self.model = model
        self.training = TrainingStep(model, self.loss, device, dtype)
        self.inference: list[float] = []
        self.first_loss = float('nan')
        # normalised and padded once: this is not what is compared
        self._data = model.data_preprocessor(deepcopy(batch), True)
        self._watch = Stopwatch(device)

    def loss(self) -> Tensor:
        """The sum of the losses of the batch."""
        torch.manual_seed(0)  # of the samplers of boxes
        return self.model.parse_losses(self.model(**deepcopy(self._data), mode='loss'))[0]

    @torch.no_grad()
    def predict(self) -> float:
        """Seconds of a prediction for the batch."""
        data = deepcopy(self._data)
        self._watch.start()
        with self.training.autocast:
            self.model(**data, mode='predict')
        self._watch.mark('prediction')
        return self._watch.stop()['prediction']

    def timed_training(self) -> None:
        """Run a training step that counts."""
        self.training.timed(())

    def timed_inference(self) -> None:
        """Run a prediction that counts."""
        self.inference.append(self.predict())


def compile_ours(model: nn.Module) -> str:
    """Compile a model as training does it; says what was compiled."""
    return compile_model(model)


def compile_theirs(model: nn.Module) -> str:
    """Compile the backbone of the framework; says what was compiled."""
    model.backbone.compile(dynamic=False)
    return 'backbone'


def start(task: Task, arch: str, args: argparse.Namespace) -> tuple[dict[str, Program], list[dict]]:
    """Build and warm up all programs; those that cannot run are listed with the reason."""
    size, number = args.size or task.size, args.batch_size or task.batch_size
    config, framework = model_config(task, arch), task.framework
    makers: dict[str, tuple[int, Callable | None]] = {'ours': (0, None), framework: (1, None)}
    if args.compile:
        makers.update({'ours-compiled': (0, compile_ours), f'{framework}-compiled': (1, compile_theirs)})
    programs, left_out, batch = {}, [], None
    for name, (which, compile_it) in makers.items():
        try:
            model = build_pair(config, framework)[which].to(args.device)
            torch.manual_seed(0)
            batch = batch or synthetic_batch(model, framework, (size, size), number)
            if getattr(model, 'with_rpn', False):
                torch.manual_seed(0)
                set_synthetic_training_proposals(model, batch)
            program = Program(model, batch, args.device, getattr(torch, args.dtype))
            with program.training.autocast, torch.no_grad():
                program.first_loss = program.loss().item()
            if compile_it:
                print(f'{name}: compiled {compile_it(model)}', flush=True)
            if compile_it is compile_ours:
                # These show the size of the images; the next step compiles.
                program.training.warm_up((), WATCHED_STEPS)
            warm_up(program, args.warmup)
        except Exception as error:  # noqa: BLE001  (one that fails must not end the comparison)
            if name == 'ours' or isinstance(error, UserError):
                raise
            left_out.append(dict(model=name, reason=f'{type(error).__name__}: {(str(error).splitlines() or [""])[0]}'))
        else:
            programs[name] = program
    return programs, left_out


def set_synthetic_training_proposals(model: nn.Module, batch: dict[str, Any]) -> None:
    """As :func:`set_synthetic_proposals`, in training only: inference goes through the whole first stage."""
    own = model.rpn_head.predict_by_feat
    set_synthetic_proposals(model, batch)
    synthetic = model.rpn_head.predict_by_feat
    model.rpn_head.predict_by_feat = lambda *args, **kwargs: (synthetic if model.training else own)(*args, **kwargs)


def warm_up(program: Program, steps: int) -> None:
    """Run steps and predictions that do not count."""
    program.training.warm_up((), steps)
    program.model.eval()
    for _ in range(steps):
        program.predict()
    program.model.train()


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Time all programs of a task.

    Returns:
        dict: ``task``, ``arch``, ``size``, ``batch_size``, ``dtype``, ``rows`` and ``left_out``.
    """
    task = TASKS[name]
    programs, left_out = start(task, args.arch, args)
    take_turns([program.timed_training for program in programs.values()], args.steps)
    for program in programs.values():
        program.model.eval()
    take_turns([program.timed_inference for program in programs.values()], args.steps)
    number = args.batch_size or task.batch_size
    reference = programs.get(task.framework)
    rows = [make_row(model, program, reference, number) for model, program in programs.items()]
    return dict(task=name, arch=args.arch, size=args.size or task.size, batch_size=number, dtype=args.dtype, rows=rows,
                left_out=left_out)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    require_device(args.device)
    # a first step that finds compiled code on the disk is not a cold one
    torch._inductor.config.force_disable_caches = True
    result = dict(args={**vars(args), 'json': args.json and str(args.json)}, **provenance(args.device), tasks=[])
    print(heading(result, ('torch', 'mmdet', 'mmsegmentation', 'mmcv', 'mmcv-lite', 'mmsimmim')))
    for name in args.task:
        result['tasks'].append(measure(name, args))
        print_result(result['tasks'][-1], TASKS[name].title)
        torch.compiler.reset()
        if args.json:
            write_json(args.json, result)


if __name__ == '__main__':
    main()
