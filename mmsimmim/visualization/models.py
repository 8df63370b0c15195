"""Models for visualization: built from a config, loaded from a checkpoint, moved to a device."""

import os

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader

from ..errors import UserError, why_missing
from ..models import SimMIM
from ..registry import MODELS
from .reconstruction import require_pixel_model


def build_model(cfg: Config, name: str) -> SimMIM:
    """The model of a config, with random weights, in evaluation mode.

    Args:
        cfg (Config): The config; its ``default_scope`` holds from now on.
        name (str): Its file, for messages.

    Returns:
        SimMIM: The model, whose predictions can be shown.

    Raises:
        UserError: If it is not SimMIM's, cannot be built, or its predictions cannot be shown.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    kind = cfg.model.get('type')
    built_class = MODELS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(built_class, type) and issubclass(built_class, SimMIM)):
        raise UserError(f'The model of {name} is {kind!r}; reconstructions can be drawn of mmsimmim.SimMIM only.')
    settings = dict(cfg.model)
    if cfg.get('data_preprocessor') is not None:
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    try:
        model = MODELS.build(settings)
    except Exception as error:  # Whatever is wrong in a model's settings, its type of error varies.
        raise UserError(f'The model of {name} cannot be built: {error}') from error
    return require_pixel_model(model).eval()


def load_weights(model: SimMIM, path: str) -> None:
    """Load a checkpoint that fits exactly.

    Args:
        model (SimMIM): Changed in place.
        path (str): A file or an address.

    Raises:
        UserError: If it cannot be read, or a weight is missing, unexpected or of another shape.
    """
    if '://' not in path and not os.path.isfile(path):
        raise UserError(f'The checkpoint {path} {why_missing(path)}.')
    try:
        content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
        weights = {name.removeprefix('module.'): value for name, value in content.get('state_dict', content).items()}
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except Exception as error:  # Files that are no checkpoints fail in many ways.
        raise UserError(f'The checkpoint {path} cannot be loaded: {error}') from error
    if missing or unexpected:
        raise UserError(f'The checkpoint {path} does not fit the model of the config, and nothing was drawn: '
                        f'{_count(missing, "missing")}; {_count(unexpected, "not in the model")}. It must come from a '
                        'pre-training with this config; a backbone alone cannot reconstruct.')


def _count(names: list[str], what: str) -> str:
    examples = f' ({", ".join(names[:3])}{", ..." if len(names) > 3 else ""})' if names else ''
    return f'{len(names)} weights {what}{examples}'


def move(model: SimMIM, device: str) -> None:
    """Bring the model to a device; UserError if it cannot be used."""
    try:
        model.to(device)
    except (AssertionError, RuntimeError) as error:
        raise UserError(f'The device {device} cannot be used: {str(error).splitlines()[0]}') from error


def check_channels(channels: list[int] | None, model: SimMIM) -> None:
    """Refuse channels that cannot be shown, before anything is computed.

    Args:
        channels (list[int] | None): Value of the argument ``--channels``.
        model (SimMIM): The model whose images are shown.

    Raises:
        UserError: If there are neither one nor three of them, or the model has no such channels.
    """
    count = model.backbone.in_channels
    if channels is not None and (len(channels) not in (1, 3) or not all(0 <= i < count for i in channels)):
        raise UserError(f'--channels takes one or three numbers from 0 to {count - 1}, as the model has {count} '
                        f'channels; got {" ".join(map(str, channels))}.')
