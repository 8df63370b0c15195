"""Gradient communication in bfloat16: half the bytes."""

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.nn.parallel import DistributedDataParallel

from ...errors import UserError
from ...registry import HOOKS


@HOOKS.register_module()
class CompressGradientsHook(Hook):
    """All-reduce gradients in bfloat16 instead of float32.

    PyTorch's ``bf16_compress_hook``: each process rounds its gradients to bfloat16 and divides them by the number of
    processes, they are summed in bfloat16, and the sum becomes the gradient, in float32. So gradients keep 8 bits of
    their mantissa; clipping and the optimizer's state stay in float32. Without this hook nothing is rounded.

    With one process there is nothing to send, and nothing happens.

    Raises:
        UserError: Before the training, if several processes train a model that is not wrapped in PyTorch's
            ``DistributedDataParallel``, such as that of :class:`FSDPStrategy`.

    Examples:
        >>> custom_hooks = [dict(type='mmsimmim.CompressGradientsHook')]
    """

    def __init__(self) -> None:
        self._model: nn.Module | None = None

    def before_train(self, runner) -> None:
        """Register PyTorch's communication hook, once for each model.

        Args:
            runner (Runner): The runner, with the wrapped model.
        """
        model = runner.model
        if get_world_size() == 1 or model is self._model:
            return
        if not isinstance(model, DistributedDataParallel):
            raise UserError('CompressGradientsHook needs a model in DistributedDataParallel, as Runner trains in '
                            f'several processes; this one is a {type(model).__name__}. Leave the hook out.')
        model.register_comm_hook(model.process_group, bf16_compress_hook)
        self._model = model
