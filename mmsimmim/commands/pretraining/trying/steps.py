"""Training steps of a config without its runner: nothing is written, no hook runs."""

import copy
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from ....analysis.image_size import image_size, pipeline_of
from ....analysis.memory.synthetic_batch import synthetic_batch
from ....engine.compiling import compile_model, read_switch
from ....engine.hooks.compile import CompileHook
from ....registry import HOOKS, MODELS

# A dynamic loss scale begins too high: the optimizer skips steps until it has come down.
MOST_SKIPPED = 20
# What frameworks say where a device's memory is full, beside torch.OutOfMemoryError.
FULL = ('out of memory', 'CUBLAS_STATUS_ALLOC_FAILED', 'CUDNN_STATUS_ALLOC_FAILED', "can't allocate memory")


class Steps:
    """Forward and backward pass, clipping and the optimizer's step on made-up images.

    Args:
        cfg (Config): Of the training.
        device (str): Where to.
    """

    def __init__(self, cfg: Config, device: str) -> None:
        cfg = copy.deepcopy(cfg)
        read_switch(cfg)
        init_default_scope(cfg.get('default_scope', 'mmpretrain'))
        torch.backends.cudnn.benchmark = bool((cfg.get('env_cfg') or {}).get('cudnn_benchmark'))
        settings = dict(cfg.model)
        if cfg.get('data_preprocessor') is not None:
            settings.setdefault('data_preprocessor', cfg.data_preprocessor)
        self.device = device
        self.shape = image_size(pipeline_of(cfg, 'train_dataloader'))
        self.model = MODELS.build(settings).to(device).train()
        # Gradients that stay from one iteration to the next are there in the forward pass too.
        self.optim_wrapper = build_optim_wrapper(self.model, dict(cfg.optim_wrapper, accumulative_counts=2))
        self.optim_wrapper.initialize_count_status(self.model, 0, 2**40)
        self._compiling = [hook for hook in cfg.get('custom_hooks') or [] if _is_compiling(hook)]

    def batch(self, images: int) -> dict[str, Any]:
        """Random images and masks as the data loader gives them."""
        return synthetic_batch(self.model, 'mmpretrain', self.shape, images)

    def run(self, batch: dict[str, Any]) -> None:
        """One iteration, to its end."""
        self.model.train_step(batch, self.optim_wrapper)
        self._wait()

    def begin(self, images: int) -> bool:
        """Iterate until the optimizer has its moments; False if there is no memory for that."""

        def until_moments() -> None:
            batch = self.batch(images)
            for _ in range(2 * MOST_SKIPPED):
                self.run(batch)
                if self.optim_wrapper.optimizer.state:
                    return

        return self._in_memory(until_moments)

    def fits(self, images: int) -> bool:
        """Whether there is memory for a step of two iterations."""

        def two() -> None:
            batch = self.batch(images)
            self.run(batch)
            self.run(batch)

        return self._in_memory(two)

    def update_always(self) -> None:
        """Let each iteration be a step, as in a run that does not accumulate."""
        self.optim_wrapper._accumulative_counts = 1

    @property
    def compiles(self) -> bool:
        """Whether the config asks for that."""
        return bool(self._compiling)

    def compile(self) -> None:
        """As the config asks for; nothing if it does not."""
        for settings in self._compiling:
            compile_model(self.model, **{key: value for key, value in settings.items()
                                         if key not in ('type', 'cache_dir', 'priority')})

    def time(self, images: int, seconds: float, warm_up: int = 2, most: int = 30) -> float:
        """Seconds of an iteration, the median of some.

        Args:
            images (int): Of each.
            seconds (float): After this time no further iteration begins; one at least is measured.
            warm_up (int): Iterations before the first that counts.
            most (int): Iterations that count.
        """
        batch = self.batch(images)
        for _ in range(warm_up):
            self.run(batch)
        times = []
        end = time.perf_counter() + seconds
        while not times or (len(times) < most and time.perf_counter() < end):
            begin = time.perf_counter()
            self.run(batch)
            times.append(time.perf_counter() - begin)
        return statistics.median(times)

    def _in_memory(self, work: Callable[[], None]) -> bool:
        full = False
        try:
            work()
        except (RuntimeError, MemoryError) as error:
            if not _is_full(error):
                raise
            full = True
        if full:  # only now: the error held all tensors of the step
            self.optim_wrapper.zero_grad(set_to_none=True)
            gc.collect()
            if self.device.startswith('cuda'):
                torch.cuda.empty_cache()
        return not full

    def _wait(self) -> None:
        if self.device.startswith('cuda'):
            torch.cuda.synchronize()
        elif self.device.startswith('mps'):
            torch.mps.synchronize()


def _is_full(error: Exception) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        text.lower() in str(error).lower() for text in FULL)


def _is_compiling(hook: Any) -> bool:
    return isinstance(hook, dict) and HOOKS.get(str(hook.get('type'))) is CompileHook
