"""Cutting up a model, and putting it together for evaluation."""

from collections.abc import Iterator, Sequence

from mmengine.device import get_device
from mmengine.model import BaseDataPreprocessor, BaseTTAModel
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from ...errors import UserError
from .gradients import agree_on_gradients

try:
    from torch.distributed.fsdp import FSDPModule, fully_shard
except ImportError:  # before PyTorch 2.6, where no model is sharded
    FSDPModule = ()

# Classes of the blocks of the three encoders.
BLOCKS = ('SwinBlock', 'SwinBlockV2', 'TransformerBlock')


def shard(model: nn.Module, blocks: Sequence[str], world_size: int, find_unused_parameters: bool = False) -> None:
    """Shard the parameters of a model in place, and move this process's shards to its device.

    In evaluation mode each process holds all parameters, see :class:`WholeInEvaluation`.

    Args:
        model (nn.Module): Whole, on the CPU, the same in every process. Its encoder, if it has one by the name
            ``backbone``, can afterwards be called by itself.
        blocks (Sequence[str]): Classes of the modules that are gathered one at a time.
        world_size (int): Number of processes.
        find_unused_parameters (bool): Whether a parameter may have a gradient in some processes and none in others, see
            :func:`agree_on_gradients`. Defaults to False.

    Raises:
        UserError: The model has no module of these classes, or a parameter that cannot be sharded.
    """
    units = units_of(model, blocks)
    _require_dimensions(model)
    mesh = init_device_mesh(get_device(), (world_size, ))
    for module in units:
        fully_shard(module, mesh=mesh, reshard_after_forward=module is not model)
        agree_on_gradients(module, find_unused_parameters)
    model._get_fsdp_state()._lazy_init()  # otherwise the part that is called first would be the outermost unit
    for module in model.modules():
        if isinstance(module, BaseDataPreprocessor):
            module.to(get_device())  # moves batches to the device that it was told last
    WholeInEvaluation(model)
    model.__deepcopy__ = _refuse_copy


def units_of(model: nn.Module, blocks: Sequence[str]) -> list[nn.Module]:
    """The modules that are all-gathered one at a time: the blocks, then the rest of the backbone and the model.

    Args:
        model (nn.Module): The model.
        blocks (Sequence[str]): Classes of the blocks.

    Returns:
        list[nn.Module]: From the inside to the outside; a parameter belongs to the first that contains it.

    Raises:
        UserError: The model has no module of these classes.
    """
    found = [module for module in model.modules() if type(module).__name__ in blocks]
    inner = model.module if isinstance(model, BaseTTAModel) else model
    if not found:
        raise UserError(f'strategy.units: {type(inner).__name__} has no module of the classes {", ".join(blocks)}, so '
                        'all of it would be gathered at once. Name the class of its blocks.')
    backbone = getattr(inner, 'backbone', None)
    return [*found, *([backbone] if isinstance(backbone, nn.Module) else []), model]


def _require_dimensions(model: nn.Module) -> None:
    scalars = [name for name, parameter in model.named_parameters() if not parameter.ndim]
    if scalars:
        raise UserError(f'FSDPStrategy: {len(scalars)} parameters of {type(model).__name__} are single numbers without '
                        f'a dimension that could be sharded ({", ".join(scalars[:3])}). Heads of this kind, such as '
                        "those with mmdet's Scale, train without the strategy only.")


def _refuse_copy(memo: dict) -> None:
    raise UserError('A model that FSDPStrategy has sharded cannot be copied. For averaged weights take '
                    'mmsimmim.EMAHook in place of another EMAHook; other hooks that copy the model do not go with it.')


def is_sharded(model: nn.Module) -> bool:
    """Whether the parameters are sharded in training, so that all processes must take part in a forward pass."""
    return any(isinstance(module, FSDPModule) for module in model.modules())


def free_whole(model: nn.Module) -> None:
    """Let each process hold its shards alone; nothing happens if it does.

    Args:
        model (nn.Module): The model, sharded or not.
    """
    for module in _sharded_modules(model):
        module.reshard()


def _sharded_modules(model: nn.Module) -> Iterator[nn.Module]:
    return (module for module in model.modules() if isinstance(module, FSDPModule))


class WholeInEvaluation:
    """Puts a sharded model together in every process when it goes into evaluation mode.

    Evaluation then needs no communication: processes may have unequal numbers of batches, and a batch may take any
    number of passes through any part of the model (sliding windows, test-time augmentation, features of the
    encoder). ``model.eval()`` must be called in every process, as MMEngine's loops do. The next pass in training mode
    frees the parameters of others.

    Args:
        model (nn.Module): The sharded model.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._set_mode = model.train
        self._is_whole = False
        model.train = self._train  # which eval() calls too
        # Not by train(), as some set the mode module by module. Before the hook that gathers.
        model.register_forward_pre_hook(self._before_forward, prepend=True)

    def _train(self, mode: bool = True) -> nn.Module:
        if not mode:
            self._put_together()
        return self._set_mode(mode)

    def _before_forward(self, model: nn.Module, args: tuple) -> None:
        if model.training and self._is_whole:
            self._take_apart()

    def _put_together(self) -> None:
        for module in _sharded_modules(self.model):
            module.set_reshard_after_forward(False, recurse=False)
            module.unshard()
        self._is_whole = True

    def _take_apart(self) -> None:
        for module in _sharded_modules(self.model):
            module.reshard()
            module.set_reshard_after_forward(module is not self.model, recurse=False)
        self._is_whole = False
