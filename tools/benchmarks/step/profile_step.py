"""A profile of a training step: by kind of operation, and by module."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from tools.benchmarks.machine import markdown
from tools.benchmarks.step.training_step import TrainingStep

# By the names of CUDA's kernels, and of ATen's operations on a CPU; the first that fits counts.
KINDS = {
    'attention': r'attention|flash|fmha|sdpa|cudnn_generated',
    'optimizer and clipping': r'adam|multi_tensor|foreach_',
    'matrix products': r'gemm|nvjet|cutlass|xmma|cublas|addmm|\bmm\b|bmm|matmul|linear',
    'convolution': r'conv|implicit|wgrad|dgrad|fprop',
    'norm': r'layer_?norm|batch_?norm',
    'activation': r'gelu|relu|softmax',
    'copies and layout': r'memcpy|memset|copy|cat|roll|transpose|contiguous|direct_copy|_to_\b',
    'indexing': r'index|gather|scatter|repeat_interleave',
    'fused by the compiler': r'triton|cpp_fused',
    'reductions': r'reduce|sum|norm',
    'element by element': r'elementwise|add|mul|div|sub|where|abs|fill|zero|sgn|lt|rsub',
}
PART = re.compile(r'(^|\.)(patch_embed|embeddings|neck|decoder|loss_module|layernorm|ln1|(stages|layers|layer)\.\d+)$')
# The backward operation of one forward operation, including the accumulation of its gradient.
BACKWARD = 'autograd::engine::evaluate_function'


def profile_step(step: TrainingStep, batch: tuple[Any, ...], compiled: bool) -> dict[str, dict[str, float]]:
    """Profile one more step.

    Args:
        step (TrainingStep): A model that has been warmed up.
        batch (tuple): Its batch.
        compiled (bool): Whether its loss is compiled, so that it has no modules any more.

    Returns:
        dict[str, dict[str, float]]: ``kinds`` and ``modules``, each with shares of the time of all operations of the
        device; those of modules with forward and backward.
    """
    activities = [ProfilerActivity.CPU]
    if step.device.type == 'cuda':
        activities.append(ProfilerActivity.CUDA)
    with marked_modules(None if compiled else step.model) as names, profile(activities=activities) as profiler:
        step.warm_up(batch, 1)
    events = profiler.events()
    on_gpu = step.device.type == 'cuda'
    kinds = Counter()
    for name, microseconds in kernels(events, names, on_gpu):
        kinds[kind_of(name)] += microseconds
    modules = by_module(events, names, on_gpu)
    total = sum(kinds.values())
    return dict(kinds={name: time / total for name, time in kinds.most_common()},
                modules={name: time / total for name, time in modules.items() if time})


def kernels(events: list[FunctionEvent], names: list[str], on_gpu: bool) -> Iterator[tuple[str, float]]:
    """Name and microseconds of all that the device ran: kernels, or on a CPU operations without those inside."""
    for event in events:
        if on_gpu:
            yield from _own_kernels(event, names)
        elif event.name.startswith('aten::') or 'fused' in event.name:
            yield event.name, event.self_cpu_time_total


def _own_kernels(event: FunctionEvent, names: list[str]) -> Iterator[tuple[str, float]]:
    for kernel in event.kernels:
        # ranges, our own and those of PyTorch's optimizers, appear on the GPU, too, as long as all kernels in them
        if kernel.name not in names and not kernel.name.startswith('Optimizer.'):
            yield kernel.name, kernel.duration


def kind_of(name: str) -> str:
    """The kind of a kernel or an operation, one of ``KINDS`` or 'other'."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, name, re.IGNORECASE)), 'other')


@contextmanager
def marked_modules(model: nn.Module | None) -> Iterator[list[str]]:
    """Let the forward passes of a model's parts appear in a profile; gives their names."""
    names, handles, open_ranges = [], [], []

    def enter(name: str) -> None:
        open_ranges.append(record_function(name))
        open_ranges[-1].__enter__()

    def leave() -> None:
        open_ranges.pop().__exit__(None, None, None)

    for name, module in model.named_modules() if model is not None else ():
        if PART.search(name) and not any(name.startswith(f'{outer}.') for outer in names):
            names.append(name)
            handles.append(module.register_forward_pre_hook(lambda module, args, name=name: enter(name)))
            handles.append(module.register_forward_hook(lambda module, args, out: leave()))
    try:
        yield names
    finally:
        for handle in handles:
            handle.remove()


def by_module(events: list[FunctionEvent], names: list[str], on_gpu: bool) -> Counter:
    """Microseconds of the forward and backward pass of each part.

    A backward operation carries the number of the forward operation that it belongs to.
    """
    times, owners = Counter(dict.fromkeys(names, 0.0)), {}
    for event in events:
        if event.device_type != DeviceType.CPU or (owner := _owner(event, names)) is None:
            continue
        if event.name == owner:
            times[owner] += _total(event, names, on_gpu)
        elif event.sequence_nr >= 0:
            owners[event.sequence_nr] = owner
    for event in events:
        if event.name.startswith(BACKWARD) and event.sequence_nr in owners:
            times[owners[event.sequence_nr]] += _total(event, names, on_gpu)
    return times


def _owner(event: FunctionEvent | None, names: list[str]) -> str | None:
    while event is not None and event.name not in names:
        event = event.cpu_parent
    return None if event is None else event.name


def _total(event: FunctionEvent, names: list[str], on_gpu: bool) -> float:
    if not on_gpu:
        return event.cpu_time_total
    own = sum(duration for _, duration in _own_kernels(event, names))
    return own + sum(_total(child, names, on_gpu) for child in event.cpu_children)


def print_profiles(profiles: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print what :func:`profile_step` gave, by contender."""
    kinds = dict.fromkeys(kind for shares in profiles.values() for kind in shares['kinds'])
    rows = [[kind, *(f"{shares['kinds'].get(kind, 0):.1%}" for shares in profiles.values())] for kind in kinds]
    print(f'\nShare of the time of a step:\n\n{markdown(["operations", *profiles], rows)}')
    for name, shares in profiles.items():
        if shares['modules']:
            rows = [[module, f'{share:.1%}'] for module, share in shares['modules'].items()]
            print(f'\n{markdown([f"modules of {name}, forward and backward", "share"], rows)}')
