"""A model, its optimizer and their checkpoints, sharded over all processes."""

import time
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

import mmengine
import torch
from mmengine._strategy import SingleDeviceStrategy
from mmengine.dist import init_dist, is_main_process
from mmengine.optim import OptimWrapper
from mmengine.runner.checkpoint import _load_checkpoint, _load_checkpoint_to_model, save_checkpoint
from mmengine.utils import digit_version
from torch import Tensor, nn

from ...checkpoints.loading import load_from_local
from ...errors import UserError
from ...registry import STRATEGIES
from .sharding import BLOCKS, shard
from .state import DTensor, gather, load_full, local_shard, without_weights


@STRATEGIES.register_module()
class FSDPStrategy(SingleDeviceStrategy):
    """PyTorch's fully sharded data parallelism for MMEngine's ``FlexibleRunner``.

    For pre-training, classifiers, detectors and segmentors. Parameters, gradients and the optimizer's moments are
    sharded over all processes. A unit, a block of the encoder, is all-gathered for its forward and its backward pass;
    the whole model is gathered for evaluation alone, see :class:`.sharding.WholeInEvaluation`. Losses and gradients are
    those of DDP, and so are the checkpoints: full tensors under their own names in one file, the optimizer's state
    included, which a run of any kind and number of processes resumes. For averaged weights there is
    :class:`mmsimmim.EMAHook`.

    MMEngine's own ``FSDPStrategy`` wraps each unit in a ``FullyShardedDataParallel``, which flattens every parameter:
    rules for one-dimensional parameters (``flat_decay_mult``) then exempt all of them from weight decay, gradients are
    clipped by the norm of one shard, names carry prefixes, and the optimizer's state does not load in PyTorch after
    2.0. ``torch.distributed.fsdp.fully_shard``, which is used here, leaves modules and shapes as they are.

    With a single process nothing is sharded. Activation checkpointing is set in the encoder (``with_cp=True``), mixed
    precision in ``AmpOptimWrapper``.

    Args:
        units (Sequence[str]): Classes of the modules that are gathered one at a time. Defaults to the blocks of the
            three encoders.
        find_unused_parameters (bool): Whether a parameter may have a gradient in some processes or steps and none in
            others, which costs a small communication for each unit. Our tools set it where the config says so as for
            DDP. Defaults to False: that is an error.
        **kwargs: As of MMEngine's strategies, which the runner fills in.

    Raises:
        UserError: When the model is built for several processes: PyTorch is older than 2.9, or the model has no module
            of these classes.

    Examples:
        >>> runner_type = 'FlexibleRunner'
        >>> strategy = dict(type='mmsimmim.FSDPStrategy')
    """

    def __init__(self, *, units: Sequence[str] = BLOCKS, find_unused_parameters: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.units = tuple(units)
        self.find_unused_parameters = find_unused_parameters
        # The model without its weights, on the meta device; None before the model is sharded, and where it is not.
        self.skeleton: nn.Module | None = None

    def _setup_distributed(self, launcher: str, backend: str = 'nccl', **kwargs) -> None:
        init_dist(launcher, backend, **kwargs)

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        if not self.distributed:
            self.logger.info('FSDPStrategy: there is one process, so the model is not sharded.')
            return super()._wrap_model(model)
        if digit_version(torch.__version__) < digit_version('2.9.0'):
            # There is fully_shard from 2.6 on, but without a GPU it gave wrong gradients in 2.7.
            raise UserError('FSDPStrategy needs PyTorch 2.9 or newer to shard a model over several processes; this is '
                            f'{torch.__version__}.')
        self.skeleton = without_weights(model)
        shard(model, self.units, self.world_size, self.find_unused_parameters)
        return model

    def build_optim_wrapper(self, optim_wrapper: Any, model: nn.Module | None = None) -> OptimWrapper:
        """As MMEngine's, except that the norm of clipped gradients is logged for the full model.

        Args:
            optim_wrapper (Any): Config or object.
            model (nn.Module, optional): The sharded model.

        Returns:
            OptimWrapper: The wrapper.
        """
        wrapper = super().build_optim_wrapper(optim_wrapper, model)
        if getattr(wrapper, 'clip_grad_kwargs', None):
            wrapper.clip_func = _with_full_norm(wrapper.clip_func)
        return wrapper

    def save_checkpoint(self,
                        filename: str,
                        *,
                        save_optimizer: bool = True,
                        save_param_scheduler: bool = True,
                        extra_ckpt: dict | None = None,
                        callback: Callable | None = None) -> None:
        """Write one ordinary checkpoint; every process must take part, the main one writes.

        Args:
            filename (str): The file; it appears under this name when it is complete.
            save_optimizer (bool): Write the optimizer's state. Defaults to True.
            save_param_scheduler (bool): Write the state of the schedules. Defaults to True.
            extra_ckpt (dict, optional): More to write, such as ``meta``. Defaults to None.
            callback (Callable, optional): Gets the checkpoint before it is written. Defaults to None.
        """
        checkpoint = dict(state_dict=self.model_state_dict())
        if save_optimizer and hasattr(self, 'optim_wrapper'):
            checkpoint['optimizer'] = self.optim_state_dict()
        if save_param_scheduler and hasattr(self, 'param_schedulers'):
            checkpoint['param_schedulers'] = self.scheduler_state_dict()
        checkpoint.update(extra_ckpt or {})
        checkpoint['meta'] = dict(checkpoint.get('meta', {}), seed=self.seed, mmengine_version=mmengine.__version__,
                                  time=time.strftime('%Y%m%d_%H%M%S', time.localtime()))
        if callback is not None:
            callback(checkpoint)
            checkpoint = gather(checkpoint, keep=is_main_process())  # hooks add shards of their own
        if is_main_process():
            local = '://' not in filename
            save_checkpoint(checkpoint, filename, backend_args=dict(backend='AtomicLocalBackend') if local else None)

    def model_state_dict(self) -> dict[str, Tensor]:
        """Full tensors on the CPU of the main process, None for each on the others; every process must take part."""
        return gather(self.model.state_dict(), keep=is_main_process())

    def optim_state_dict(self) -> dict:
        """The full state of the optimizer, in the main process; every process must take part."""
        return gather(self.optim_wrapper.state_dict(), keep=is_main_process())

    def load_checkpoint(self,
                        filename: str,
                        *,
                        map_location: Any = 'cpu',
                        callback: Callable | None = None,
                        **kwargs) -> dict:
        """Load a checkpoint, or the weights of one.

        Processes share the memory of a local file, which may be larger than the computer's for each of them.

        Args:
            filename (str): A file or address.
            map_location (Any): Not used: full tensors are read to the CPU, and only shards leave it.
            callback (Callable, optional): Gets the checkpoint before it is loaded. Defaults to None.
            **kwargs: ``strict`` and ``revise_keys``, see MMEngine's strategies.

        Returns:
            dict: The checkpoint without its weights.
        """
        self.logger.info(f'Load checkpoint from {filename}')
        is_local = '://' not in filename
        checkpoint = load_from_local(filename, 'cpu', mmap=True) if is_local else _load_checkpoint(filename, 'cpu')
        if callback is not None:
            callback(checkpoint)
        self.load_model_state_dict(checkpoint.pop('state_dict'), **kwargs)
        return checkpoint

    def load_model_state_dict(self, state_dict: dict[str, Tensor], **kwargs) -> None:
        """Load full tensors.

        Args:
            state_dict (dict[str, Tensor]): The weights.
            **kwargs: ``strict`` and ``revise_keys``, see MMEngine's strategies.
        """
        if self.skeleton is None:
            super().load_model_state_dict(state_dict, **kwargs)
            return
        load_full(self.model, self.skeleton, partial(
            _load_checkpoint_to_model, checkpoint=state_dict, logger=self.logger, **kwargs))

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the full state of the optimizer.

        Args:
            state_dict (dict): With full tensors, numbered as :meth:`torch.optim.Optimizer.state_dict` does.
        """
        parameters = [parameter for group in self.optim_wrapper.optimizer.param_groups for parameter in group['params']]
        state = {number: {name: _own(local_shard(value, parameters[number])) for name, value in values.items()}
                 for number, values in state_dict['state'].items()}
        self.optim_wrapper.load_state_dict({**state_dict, 'state': state})


def _own(value: Any) -> Any:
    """Memory of this process for what may lie in a file."""
    return value.clone() if isinstance(value, Tensor) and value.device.type == 'cpu' else value


def _with_full_norm(clip: Callable) -> Callable:
    # PyTorch clips by the norm of all shards, but before 2.10 what it returns is read as that of one.
    @wraps(clip)
    def wrapped(*args, **kwargs) -> Tensor | None:
        norm = clip(*args, **kwargs)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    return wrapped
