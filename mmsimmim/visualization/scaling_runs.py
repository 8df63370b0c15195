"""How large a model was, on how many images and for how long it was pre-trained, from the logs of a run.

The size is that of the encoder in the config that MMEngine writes beside the log. Images and iterations are those of
the pre-training: of a run that starts from a checkpoint those of the run that wrote it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from ..errors import UserError
from ..registry import MODELS
from .training_log import NUM_IMAGES, Training, find_files, is_position, read_training

CONFIG = 'config.py'  # of MMEngine's LocalVisBackend
PRE_TRAINING = ('SimMIM', )


@dataclass
class ScalingRun:
    """A run, and what it is compared by.

    Args:
        training (Training): What it logged.
        parameters (int, optional): Of its encoder.
        images (int, optional): Different ones, of its pre-training.
        iterations (int, optional): Of its pre-training.
    """

    training: Training
    parameters: int | None = None
    images: int | None = None
    iterations: int | None = None


def read_run(place: str) -> ScalingRun:
    """Read the newest training of a log, and what is known of it.

    Args:
        place (str): A work_dir, the folder of a run, or a file.

    Returns:
        ScalingRun: Sizes that neither log nor config tell are None.

    Raises:
        UserError: There is no log, it cannot be read, or the config beside it cannot.
    """
    training = read_training(place)
    config = read_config(place)
    if config is None:
        return ScalingRun(training, None, *_length_of(training))
    return ScalingRun(training, count_parameters(config, place), *_length_of(_pre_training(training, config)))


def read_config(place: str) -> Config | None:
    """The config that MMEngine wrote beside the newest log of a place; None if there is none."""
    path = find_files(place)[-1].with_name(CONFIG)
    if not path.is_file():
        return None
    try:
        return Config.fromfile(path, import_custom_modules=False)
    except Exception as error:  # A config is a program: anything can go wrong in it.
        raise UserError(f'The config {path} cannot be read: {type(error).__name__}: {error}') from error


def count_parameters(config: Config, place: str) -> int | None:
    """Numbers that the encoder of a config has, built without memory; None if the config has no encoder.

    Raises:
        UserError: It cannot be built.
    """
    backbone = (config.get('model') or {}).get('backbone')
    if not backbone:
        return None
    kind = str(backbone['type'])
    if '.' not in kind:
        kind = f'{config.get("default_scope", "mmengine")}.{kind}'
    try:
        with torch.device('meta'):
            encoder = MODELS.build(dict(backbone, type=kind, init_cfg=None))
    except Exception as error:  # of any type, from any framework
        raise UserError(f'{place}: the encoder, a {kind}, cannot be built to count its parameters: {error}'
                        ) from error
    return sum(parameter.numel() for parameter in encoder.parameters())


def _length_of(training: Training | None) -> tuple[int | None, int | None]:
    """Images and iterations of a training; no number of images if it was resumed on others."""
    if training is None:
        return None, None
    images = {int(values[NUM_IMAGES]) for _, values in training.records if is_position(values.get(NUM_IMAGES))}
    iterations = [values['iter'] for _, values in training.records if 'iter' in values]
    return (images.pop() if len(images) == 1 else None), int(iterations[-1])


def _pre_training(training: Training, config: Config) -> Training | None:
    """The training of the encoder's weights: the run's own, or the one whose checkpoint it starts from.

    Returns:
        Training, optional: None if that has no log.
    """
    for _ in range(10):  # pre-training, fine-tuning, another fine-tuning, ...
        checkpoint = initial_weights(config)
        if checkpoint is None:
            return training
        folder = Path(checkpoint).parent
        try:
            training, config = read_training(str(folder)), read_config(str(folder))
        except UserError:
            return None
        if config is None:
            return training
    return None


def initial_weights(config: Config) -> str | None:
    """The checkpoint that a run starts from; None for a pre-training, and for one that starts from nothing."""
    model = config.get('model') or {}
    if str(model.get('type')).rsplit('.', 1)[-1] in PRE_TRAINING:
        return None
    places: list[Any] = [(model.get('backbone') or {}).get('init_cfg'), model.get('init_cfg')]
    for place in places:
        for item in place if isinstance(place, (list, tuple)) else [place]:
            if item and item.get('type') == 'Pretrained':
                return item['checkpoint']
    return config.get('load_from')
