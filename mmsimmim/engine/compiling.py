"""Which parts of a model are compiled, and for which image sizes."""

import inspect
import logging
import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import nn

from ..errors import UserError
from ..layers import CosineWindowAttention, WindowAttention
from ..models import SimMIM, TokenTarget
from .fsdp import BLOCKS, is_sharded

# Training steps of a detector or segmentor that show whether all batches have one size.
WATCHED_STEPS = 5
# One function is compiled for every stage, shifted or not; by default PyTorch stops after eight variants of a function.
MAX_FORMS = 64


def read_switch(cfg: Config) -> None:
    """Turn ``compile=True`` of a config, or a dict of options of ``torch.compile``, into :class:`CompileHook`.

    MMEngine would compile the whole training step, lists of samples, losses as dicts and optimizer included.

    Args:
        cfg (Config): Changed in place.

    Raises:
        UserError: It is something else.
    """
    switch = cfg.pop('compile', None)
    if not isinstance(switch, (bool, dict, type(None))):
        raise UserError(f'compile must be True, False or a dict of options of torch.compile, got {switch!r}.')
    if switch or isinstance(switch, dict):
        options = {} if switch is True else check_options(dict(switch))
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='mmsimmim.CompileHook', **options)]


def check_options(options: dict) -> dict:
    """The options themselves; UserError if ``torch.compile`` or :class:`CompileHook` has no such option."""
    known = [*inspect.signature(torch.compile).parameters][1:] + ['cache_dir']
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UserError(f'compile: there is no option {", ".join(unknown)}; there are {", ".join(known)}.')
    mode, modes = options.get('mode'), ['default', 'reduce-overhead', 'max-autotune', 'max-autotune-no-cudagraphs']
    if mode is not None and mode not in modes:
        raise UserError(f'compile: mode {mode!r} is none of {", ".join(modes)}.')
    backend = options.get('backend')
    backends = torch.compiler.list_backends(exclude_tags=()) if isinstance(backend, str) else []
    if isinstance(backend, str) and backend not in backends:
        raise UserError(f'compile: backend {backend!r} is none of {", ".join(backends)}.')
    return options


def compile_model(model: nn.Module, **options: Any) -> str:
    """Compile parts of a model in place for training; evaluation stays eager.

    - SimMIM: backbone, neck and the head's loss as one graph for the shape of the first batch. Batches of another size,
      such as the last one of an epoch, run eagerly. With token targets the graph may break.
    - Another model with a backbone: the backbone, if the first :data:`WATCHED_STEPS` batches have one size.
      Otherwise the token-wise and window-wise parts, for any number of them: the attention within windows and the
      MLPs. (A whole Swin with dynamic shapes takes many minutes to compile, and recompiles when a map fits its
      windows without padding.)
    - A model that :class:`FSDPStrategy` has sharded: each block where all of it is one graph elsewhere, as parameters
      are all-gathered between blocks.

    Parameters keep their names.

    Args:
        model (nn.Module): The model, wrapped for several processes or not.
        **options (Any): Options of ``torch.compile`` such as ``mode`` and ``backend``.

    Returns:
        str: What was compiled, for the log.

    Raises:
        UserError: The model has no backbone.
    """
    model = model.module if is_model_wrapper(model) else model
    if isinstance(model, SimMIM) and is_sharded(model):
        return _compile_blocks(model, options)
    if isinstance(model, SimMIM):
        # Tokenizers are third-party code, and some of it reads values.
        fullgraph = not isinstance(model.target_generator, TokenTarget)
        whole = torch.compile(model.masked_loss, **{'fullgraph': fullgraph, 'dynamic': False, **options})
        model.masked_loss = ForOneSize(model.masked_loss, whole)
        return 'backbone, neck and loss, as one graph' if fullgraph else 'target, backbone, neck and loss'
    if not isinstance(getattr(model, 'backbone', None), nn.Module):
        raise UserError(f'compile: {type(model).__name__} has no backbone that could be compiled. Remove the switch.')
    model.backbone.forward = OnceSizesAreKnown(model.backbone, options)
    return f'the backbone, after {WATCHED_STEPS} steps that show the sizes of its images'


class ForOneSize:
    """A function that is compiled for the shape of its first inputs, and eager for all others.

    Args:
        plain (Callable): The function, of a tensor and more arguments.
        compiled (Callable): Its compiled form.
    """

    def __init__(self, plain: Callable, compiled: Callable) -> None:
        self.plain = plain
        self.compiled = compiled
        self.shape: torch.Size | None = None

    def __call__(self, images: torch.Tensor, *args: Any) -> Any:
        """Call one of them."""
        # Without gradients it would be another graph.
        if not torch.is_grad_enabled():
            return self.plain(images, *args)
        self.shape = self.shape or images.shape
        return (self.compiled if images.shape == self.shape else self.plain)(images, *args)


class OnceSizesAreKnown:
    """The forward pass of a backbone in training: compiled once the image sizes are known.

    Args:
        backbone (nn.Module): The backbone.
        options (dict): Options of ``torch.compile``.
    """

    def __init__(self, backbone: nn.Module, options: dict) -> None:
        self.backbone = backbone
        self.options = options
        self.function = self.plain = backbone.forward
        self.steps = 0
        self.shapes: set[torch.Size] = set()

    def __call__(self, images: torch.Tensor, *args: Any) -> Any:
        """Encode images as the backbone does."""
        if not (self.backbone.training and torch.is_grad_enabled()):
            return self.plain(images, *args)
        if self.steps == WATCHED_STEPS:
            self._decide()
        if self.steps < WATCHED_STEPS:
            self.shapes.add(images.shape)
        self.steps += 1
        return self.function(images, *args)

    def _decide(self) -> None:
        if len(self.shapes) > 1:
            number = compile_parts(self.backbone, self.options)
            kind = type(self.backbone).__name__
            print_log(f'The images differ in size: {number} parts of {kind} are compiled for any number of tokens.',
                      logger='current', level=logging.INFO if number else logging.WARNING)
            return
        if is_sharded(self.backbone):
            print_log(f'Compiling {_compile_blocks(self.backbone, self.options)}.', logger='current')
            return
        print_log(f'The backbone is compiled for batches of {tuple(*self.shapes)}; others are computed without it.',
                  logger='current')
        whole = torch.compile(self.plain, **{'dynamic': False, **self.options})
        self.function = ForOneSize(self.plain, whole)
        self.function.shape = self.shapes.pop()


def compile_parts(backbone: nn.Module, options: dict) -> int:
    """Compile the parts that do not depend on the image size, for any number of tokens or windows.

    Args:
        backbone (nn.Module): With blocks of our encoders; in others nothing is compiled.
        options (dict): Options of ``torch.compile``.

    Returns:
        int: How many parts were compiled.
    """
    options, number = {'dynamic': True, **options}, 0
    for module in backbone.modules():
        if hasattr(module, 'feed_forward'):
            module.feed_forward = _compile_many(module.feed_forward, options)
            number += 1
        if isinstance(module, (WindowAttention, CosineWindowAttention)):
            module.forward = _compile_many(module.forward, options)
            number += 1
    return number


def _compile_blocks(model: nn.Module, options: dict) -> str:
    # The class of a sharded module is another one, with the first one among its bases.
    blocks = [module for module in model.modules() if {kind.__name__ for kind in type(module).__mro__} & set(BLOCKS)]
    for block in blocks:
        block.forward = _compile_many(block.forward, {'dynamic': False, **options})
    return f'{len(blocks)} blocks one by one, as the model is sharded'


def _compile_many(function: Callable, options: dict) -> Callable:
    from torch._dynamo import config  # seconds to import
    name = 'recompile_limit' if hasattr(config, 'recompile_limit') else 'cache_size_limit'
    setattr(config, name, max(getattr(config, name), MAX_FORMS))
    compiled = torch.compile(function, **options)

    @wraps(function)
    def in_training(*args: Any, **kwargs: Any) -> Any:
        # Without gradients it would be another graph.
        return (compiled if torch.is_grad_enabled() else function)(*args, **kwargs)

    return in_training


def keep_compiled(folder: str | None = None) -> None:
    """Let PyTorch cache compiled code for the next run.

    Args:
        folder (str, optional): The folder. Defaults to None: where the environment variable
            ``TORCHINDUCTOR_CACHE_DIR`` says, otherwise ``mmsimmim/compiled`` in the user's folder for caches
            (``XDG_CACHE_HOME``, or ``~/.cache``).
    """
    caches = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    default = os.environ.get('TORCHINDUCTOR_CACHE_DIR') or os.path.join(caches, 'mmsimmim', 'compiled')
    os.environ['TORCHINDUCTOR_CACHE_DIR'] = folder or default
    # On by default from 2.6 on.
    os.environ.setdefault('TORCHINDUCTOR_FX_GRAPH_CACHE', '1')
