"""What the tests of detection and of segmentation configs share: small models, their first weights, their settings."""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmsimmim.registry import MODELS

ROOT = Path(__file__).parents[2]


_BUILT = {}


def build_without_memory(config: Config) -> nn.Module:
    """The model of a config at its full size, without values; there is one for all starts, not to be changed."""
    model = config.model.to_dict()
    model['backbone'].pop('init_cfg', None)
    key = str(model)
    if key not in _BUILT:
        with torch.device('meta'):
            _BUILT[key] = MODELS.build(config.model)
    return _BUILT[key]


def settings(config: Config) -> dict[str, tuple[float, float, int]]:
    """(scale of the learning rate, weight decay, number of dimensions) of every parameter."""
    model = build_without_memory(config)
    optimizer = dict(config.optim_wrapper.optimizer, fused=False)  # which PyTorch 2.4 has not on the meta device
    groups = build_optim_wrapper(model, dict(config.optim_wrapper, optimizer=optimizer)).optimizer.param_groups
    lr = config.optim_wrapper.optimizer.lr
    found = {parameter: (group['lr'] / lr, group['weight_decay']) for group in groups for parameter in group['params']}
    return {name: (*found[parameter], parameter.ndim) for name, parameter in model.named_parameters()}


def depth_in_swin(name: str, depths: list[int], merges_after_blocks: bool) -> int:
    """Patch embedding 0, blocks from 1, a merging with the block before it, all else one more than the last block.

    Args:
        name (str): Of a parameter, with its 'backbone.'.
        depths (list[int]): Blocks per stage.
        merges_after_blocks (bool): Whether a stage ends with the merging (Swin) or begins with it (Swin V2).
    """
    if name.startswith('backbone.patch_embed.'):
        return 0
    block = re.match(r'backbone\.stages\.(\d)\.(?:blocks\.(\d+)|downsample)\.', name)
    if not block:
        return sum(depths) + 1
    stage = int(block[1])
    before = sum(depths[:stage])
    if block[2] is not None:
        return before + int(block[2]) + 1
    return before + depths[stage] if merges_after_blocks else before


@functools.cache
def writer_of(checkpoint: str) -> Config:
    """The config, of pre-training or classification, that writes what another config starts from by default.

    It is read once, and not to be changed.
    """
    work_dirs, run, file = checkpoint.split('/')
    kind = 'pretrain' if run.startswith('simmim_') else 'cls'
    writer = Config.fromfile(ROOT / 'configs' / kind / f'{run}.py')
    length = writer.train_cfg
    last = f'iter_{length.max_iters}.pth' if 'max_iters' in length else f'epoch_{length.max_epochs}.pth'
    assert (work_dirs, file) == ('work_dirs', last)
    return writer


def length_of(config: Config) -> str:
    """Of its training, as in the names of configs: '800e' or '500k'."""
    length = config.train_cfg
    return f'{length.max_iters // 1000}k' if 'max_iters' in length else f'{length.max_epochs}e'


def letter_of(arch: str) -> str:
    """What tells a size of encoder in the READMEs: the first letter of its name, and 'g' as the study writes it."""
    return 'g' if arch == 'giant-1b' else arch[0].upper()


def check_same_but_for_the_size(config: Config, neighbour: Config, backbone: dict) -> None:
    """Compare a config, of detection or segmentation, with a larger or smaller encoder's of the same recipe.

    Args:
        config (Config): Is not changed.
        neighbour (Config): Is changed.
        backbone (dict): What may be different in the backbone, beside its start, and has to be as here.
    """
    assert config.model.backbone.init_cfg.checkpoint != neighbour.model.backbone.init_cfg.checkpoint
    neighbour.model.backbone.update(backbone, init_cfg=config.model.backbone.init_cfg)
    for part in ('neck', 'decode_head', 'auxiliary_head'):
        if part in config.model:
            neighbour.model[part].in_channels = config.model[part].in_channels
    assert config.to_dict() == neighbour.to_dict()
    model = build_without_memory(config).eval()
    with torch.device('meta'):
        maps = [torch.empty(1, stage.blocks[0].norm1.weight.numel(), 64 // 2**i, 64 // 2**i)
                for i, stage in enumerate(model.backbone.stages)]
        if hasattr(model, 'decode_head'):
            assert model.decode_head(maps).shape[2:] == (64, 64) and model.auxiliary_head(maps).shape[2:] == (16, 16)
        else:
            assert [part.shape[1:] for part in model.neck(maps)] == [(256, side, side) for side in (64, 32, 16, 8, 4)]


def write_start(checkpoint: str, arch: dict, file: Path) -> dict[str, torch.Tensor]:
    """Write what a config starts from by default: the real file's names and windows, with little depth and width.

    Args:
        checkpoint (str): The config's own checkpoint, which tells whose encoder to take.
        arch (dict): Of the small encoder.
        file (Path): Is written.

    Returns:
        dict[str, Tensor]: The encoder's parameters by name, none of them constant.
    """
    backbone = dict(writer_of(checkpoint).model.backbone, arch=arch)
    backbone.pop('init_cfg', None)
    generator = torch.Generator().manual_seed(0)
    weights = {name: value + torch.randn(value.shape, generator=generator) / 20
               for name, value in MODELS.build(backbone).state_dict().items()}
    torch.save(dict(state_dict={f'backbone.{name}': value for name, value in weights.items()}), file)
    return weights


def shrink_pipeline(steps: list[dict], smaller: Callable[[tuple[int, int]], tuple[int, int]]) -> None:
    """Change the sizes of images in a pipeline, and nothing else.

    Args:
        steps (list[dict]): Changed in place.
        smaller (Callable): Gives a size for a size.
    """
    for step in steps:
        for key in ('scale', 'crop_size'):
            if key in step:
                step[key] = smaller(step[key])
        if 'scales' in step:
            step['scales'] = [smaller(scale) for scale in step['scales']]
        for choice in step.get('transforms', []):
            shrink_pipeline(choice, smaller)


def watch_gradients(model: nn.Module) -> dict[str, float]:
    """A dictionary that gets the largest gradient, in the last step, of every parameter that has one."""
    largest = {}
    for name, parameter in model.named_parameters():
        parameter.register_post_accumulate_grad_hook(
            lambda parameter, name=name: largest.update({name: parameter.grad.abs().max().item()}))
    return largest


def without_gradient(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """Names of the parameters that AdamW has never seen a gradient of, or zeros alone.

    Its first moment tells afterwards, whatever wrapped the model in between.
    """
    moments = {parameter: state['exp_avg'] for parameter, state in optimizer.state.items()}
    return [name for name, parameter in model.named_parameters()
            if parameter not in moments or not moments[parameter].abs().max() > 0]
