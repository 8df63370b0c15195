"""Building necks and heads that fit the target."""

import inspect

from torch import nn

from ..registry import MODELS
from .targets.target import require_stride

# What a neck or a head does that has no such arguments.
WITHOUT_ARGUMENTS = dict(out_channels=3, target_stride=1, num_classes=None)


def describe_target(target_generator: nn.Module, in_channels: int) -> tuple[int, int | None, int]:
    """Shape of the prediction that a target needs.

    Args:
        target_generator (nn.Module): A :class:`mmsimmim.models.targets.Target`, or a module without its attributes,
            which is taken to give as many values as the image has. ``out_channels`` may be a number, too.
        in_channels (int): Channels of the images.

    Returns:
        tuple[int, int | None, int]: Pixels per side of a position, classes (None for values), channels.

    Raises:
        ValueError: If there is no such target of such images, or its stride is no whole number.
    """
    stride = require_stride(getattr(target_generator, 'stride', 1), 'stride of the target_generator')
    num_classes = getattr(target_generator, 'num_classes', None)
    out_channels = getattr(target_generator, 'out_channels', in_channels)
    return stride, num_classes, out_channels(in_channels) if callable(out_channels) else out_channels


def build_part(part: str, config: dict, **of_target: int | None) -> nn.Module:
    """Build a neck or a head, with arguments of the target that its config does not set.

    Args:
        part (str): ``'neck'`` or ``'head'``, for messages.
        config (dict): Its config.
        **of_target (int | None): ``out_channels``, ``target_stride`` or ``num_classes``. Not passed on where the part
            has no such argument, and does without it what the target needs.

    Raises:
        ValueError: If the part has no such argument, and needs it, or there is no part.
    """
    if not isinstance(config, dict) or 'type' not in config:
        raise ValueError(f'{part} must be a dictionary of settings with a type, got {config!r}')
    named, takes_others = _arguments(config)
    arguments = {}
    for name, value in of_target.items():
        matters = value != WITHOUT_ARGUMENTS[name]
        if matters and not (takes_others or name in named):
            raise ValueError(f'the {part} {config["type"]!r} has no argument {name}, and the target needs '
                             f'{name}={value}: choose a {part} of mmsimmim, or another target_generator')
        if matters or name in named:
            arguments[name] = value
    return MODELS.build({**arguments, **config})


def _arguments(config: dict) -> tuple[set[str], bool]:
    """The names of the arguments of what a config builds, and whether it takes any others."""
    kind = config['type']
    if isinstance(kind, str):
        with MODELS.switch_scope_and_registry(config.get('_scope_')) as registry:
            kind = registry.get(kind)
    if kind is None:  # MMEngine has a message for it
        return set(), True
    parameters = inspect.signature(kind).parameters.values()
    return {one.name for one in parameters}, any(one.kind is one.VAR_KEYWORD for one in parameters)
