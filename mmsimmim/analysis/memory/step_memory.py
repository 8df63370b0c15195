"""Activation memory of a training step."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from torch import nn

from ...registry import MODELS
from .cuda_activations import cuda_activations
from .fake_tensors import FakeTensors, Uninitialised, without_values
from .live_memory import LiveMemory
from .synthetic_batch import set_synthetic_proposals, synthetic_batch


@dataclass
class Step:
    """A training step.

    Args:
        shape (tuple[int, int]): Height and width of the images, pixels.
        num_images (int): Images on a GPU.
    """

    shape: tuple[int, int]
    num_images: int


def measure_activations(cfg: Config, step: Step, device: str) -> int:
    """Bytes that a training step needs beside weights and their gradients.

    On a GPU they are those of PyTorch's allocator. On a CPU they are an estimate of these: the step saves what a GPU's
    attention and autocast would save (:func:`~.cuda_activations.cuda_activations`), and large tensors are allocated
    without being computed (:class:`~.fake_tensors.FakeTensors`).

    Args:
        cfg (Config): The config, of mmpretrain, mmdet or mmseg.
        step (Step): The step.
        device (str): ``'cpu'`` or ``'cuda'``.

    Returns:
        int: Bytes at the peak, autocast's copies of the weights included.
    """
    scope = cfg.get('default_scope', 'mmengine')
    init_default_scope(scope)
    settings = dict(cfg.model)
    settings.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    model = build(settings, device)
    batch = synthetic_batch(model, scope, step.shape, step.num_images)
    if getattr(model, 'with_rpn', False):
        set_synthetic_proposals(model, batch)
    with counting(model, device) as memory:
        with autocast(cfg, device):
            data = model.data_preprocessor(batch, True)
            loss, _ = model.parse_losses(model(**data, mode='loss'))
        loss.backward()
    return memory.peak


def build(settings: dict, device: str) -> nn.Module:
    """A model with gradients, for training in a single process; on a CPU without values.

    Args:
        settings (dict): ``model`` of a config.
        device (str): ``'cpu'`` or ``'cuda'``.

    Returns:
        nn.Module: The model.
    """
    if device == 'cpu':
        with Uninitialised():
            return without_values(revert_sync_batchnorm(MODELS.build(settings))).train()
    model = revert_sync_batchnorm(MODELS.build(settings)).to(device)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    return model.train()


@contextmanager
def counting(model: nn.Module, device: str) -> Iterator['LiveMemory | CudaMemory']:
    """Count the memory of a step, which on a CPU runs on fake tensors."""
    if device != 'cpu':
        with CudaMemory() as memory:
            yield memory
        return
    with FakeTensors(model.parameters()), LiveMemory() as memory, cuda_activations(memory):
        yield memory


class CudaMemory:
    """As LiveMemory, from PyTorch's allocator.

    Attributes:
        peak (int): The maximum at any time, less the bytes allocated before.
    """

    def __enter__(self) -> 'CudaMemory':
        """Begin to count."""
        torch.cuda.reset_peak_memory_stats()
        self._before = torch.cuda.memory_allocated()
        return self

    def __exit__(self, *error: object) -> None:
        """Note the peak."""
        self.peak = torch.cuda.max_memory_allocated() - self._before


def autocast(cfg: Config, device: str) -> torch.autocast:
    """The precision of a config's training; bfloat16 for float16 on a CPU, which takes as many bytes."""
    wrapper = cfg.get('optim_wrapper') or {}
    dtype = getattr(torch, wrapper.get('dtype') or 'float16')
    if device == 'cpu' and dtype == torch.float16:
        dtype = torch.bfloat16
    return torch.autocast(device, dtype, enabled=wrapper.get('type') == 'AmpOptimWrapper')
