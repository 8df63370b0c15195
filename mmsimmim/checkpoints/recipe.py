"""The recipe of an official run, which its checkpoint holds beside the weights, under the keys of our configs.

``save_checkpoint`` of microsoft/SimMIM and microsoft/Swin-Transformer saves the settings of the run as ``config``. By
then ``main_simmim_pt.py``, ``main_simmim_ft.py`` and the scripts of SimMIM have multiplied the three learning rates by
the total batch over 512, so that what is stored is what the optimizer had. The file can show it: its optimizer and its
scheduler hold the rates that they began with. Our configs have such rates too.

Sources: ``config.py``, ``main_simmim_*.py``, ``lr_scheduler.py``, ``utils_simmim.py`` of microsoft/Swin-Transformer,
``config.py`` of microsoft/SimMIM, and of nasa-nccs-hpda/pytorch-caney, which has the extra norms of Swin V2.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import UserError

ENCODERS = {'swin': 'SwinTransformer', 'swinv2': 'SwinTransformerV2', 'vit': 'VisionTransformer'}
OPTIMIZERS = {'adamw': 'AdamW', 'sgd': 'SGD'}
SCHEDULERS = {'cosine': 'mmsimmim.WarmupCosineLR', 'multistep': 'mmsimmim.WarmupMultiStepLR'}
MASK = 'train_dataloader.collate_fn.mask.'
PIPELINE = 'train_dataloader.dataset.pipeline'
# How deep settings may be nested.
DEEPEST = 12


class Recipe(NamedTuple):
    """The recipe of a file.

    Args:
        settings (dict[str, Any]): By the keys of our configs, with dots; ``[Type]`` picks from a list by type. Lengths
            are in epochs.
        rates (str): What the learning rates in it are, and how that is known.
        epoch_length (int | None): Iterations of an epoch, as far as the scheduler in the file tells.
    """

    settings: dict[str, Any]
    rates: str
    epoch_length: int | None


def read_recipe(checkpoint: Mapping[str, Any], pretraining: bool) -> Recipe | None:
    """Find the recipe in the content of a file.

    Args:
        checkpoint (Mapping[str, Any]): As :func:`~.files.read_checkpoint` returns it. The settings are under
            ``'config'``, or there under ``'hyper_parameters'`` as Lightning has it: a dictionary, a yacs ``CfgNode``
            (which is read as one) or YAML as text.
        pretraining (bool): Whether it is of pre-training, or of fine-tuning; both have all settings.

    Returns:
        Recipe | None: None if there is none of an official code base.

    Raises:
        UserError: If there is one that cannot be understood.
    """
    config = _find_config(checkpoint)
    if config is None:
        return None
    try:
        factor, rates = _rates(config, checkpoint)
        return Recipe(dict(_translate(config, factor, pretraining)), rates, _epoch_length(config, checkpoint))
    except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise UserError(f'it cannot be understood ({type(error).__name__}: {error})') from error


def _find_config(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    nested = checkpoint.get('hyper_parameters')
    places = [checkpoint, nested] if isinstance(nested, Mapping) else [checkpoint]
    for config in (_plain(_read_yaml(place.get('config')), {}) for place in places):
        if isinstance(config, dict) and isinstance(config.get('MODEL'), dict) and isinstance(config.get('TRAIN'), dict):
            return config
    return None


def _read_yaml(value: Any) -> Any:
    import yaml
    try:
        return yaml.safe_load(value) if isinstance(value, str) else value
    except (yaml.YAMLError, RecursionError):
        return None


def _plain(value: Any, known: dict[int, dict], depth: int = DEEPEST) -> Any:
    """Settings as ordinary dictionaries, each made once, whatever a file has put into the attributes of others."""
    if not isinstance(value, dict) or not depth:
        return value
    if id(value) not in known:
        known[id(value)] = plain = {}
        plain.update((str(key), _plain(inner, known, depth - 1)) for key, inner in dict.items(value))
    return known[id(value)]


def _rates(config: dict[str, Any], checkpoint: Mapping[str, Any]) -> tuple[float, str]:
    """By what the three rates are to be multiplied to be those of the optimizer, and how that is known."""
    stored, used = float(config['TRAIN']['BASE_LR']), _first_rate(checkpoint)
    if used is None:
        return 1, ('as stored; the official scripts store those of the whole batch, and no optimizer or scheduler is '
                   'in the file to confirm it')
    if math.isclose(stored, used, rel_tol=1e-6):
        return 1, f'those of the whole batch: the optimizer in the file began with {used:g}, as the recipe says'
    said = f'those that the optimizer in the file began with, {used:g}; the recipe has {stored:g}'
    batch = 512 * used / stored
    if abs(batch - round(batch)) < 1e-3:
        said += f', which is that per 512 images for a batch of {round(batch)}'
    return used / stored, said


def _first_rate(checkpoint: Mapping[str, Any]) -> float | None:
    """The highest of the rates that the groups of parameters began with; of the head, where rates decay by layer."""
    scheduler, optimizer = checkpoint.get('lr_scheduler'), checkpoint.get('optimizer')
    rates = scheduler.get('base_values') if isinstance(scheduler, Mapping) else None
    if not isinstance(rates, (list, tuple)):
        groups = optimizer.get('param_groups') if isinstance(optimizer, Mapping) else None
        rates = [group.get('initial_lr') for group in groups or () if isinstance(group, Mapping)]
    rates = [rate for rate in rates if isinstance(rate, (int, float)) and rate > 0]
    return max(rates, default=None)


def _epoch_length(config: dict[str, Any], checkpoint: Mapping[str, Any]) -> int | None:
    scheduler = checkpoint.get('lr_scheduler')
    if not isinstance(scheduler, Mapping):
        return None
    train = config['TRAIN']
    steps = train.get('LR_SCHEDULER', {}).get('MULTISTEPS') or [None]
    milestones = scheduler.get('milestones')
    pairs = [(scheduler.get('warmup_t'), train.get('WARMUP_EPOCHS')),
             (milestones[0] if isinstance(milestones, list) and milestones else None, steps[0])]
    return next((round(iterations / epochs) for iterations, epochs in pairs
                 if isinstance(iterations, int) and isinstance(epochs, int) and iterations and epochs), None)


def _translate(config: dict[str, Any], factor: float, pretraining: bool) -> Iterator[tuple[str, Any]]:
    train, model, data = config['TRAIN'], config['MODEL'], config.get('DATA', {})
    parts = [_optimizer(train, factor), _schedule(train), _encoder(model, data),
             _pretraining(model, data) if pretraining else _classification(config)]
    yield 'train_dataloader.batch_size', data.get('BATCH_SIZE')
    for settings in parts:
        yield from ((key, value) for key, value in settings.items() if value is not None)


def _optimizer(train: dict[str, Any], factor: float) -> dict[str, Any]:
    optimizer = train.get('OPTIMIZER', {})
    name = str(optimizer.get('NAME', 'adamw')).lower()
    return {
        'optim_wrapper.optimizer.type': OPTIMIZERS.get(name, name),
        'optim_wrapper.optimizer.lr': factor * float(train['BASE_LR']),
        'optim_wrapper.optimizer.weight_decay': _number(train.get('WEIGHT_DECAY')),
        'optim_wrapper.optimizer.betas': _numbers(optimizer.get('BETAS')),
        'optim_wrapper.optimizer.eps': _number(optimizer.get('EPS')),
        'optim_wrapper.clip_grad.max_norm': _number(train.get('CLIP_GRAD')),
        'optim_wrapper.accumulative_counts': max(1, int(train.get('ACCUMULATION_STEPS') or 1)),
    }


def _schedule(train: dict[str, Any]) -> dict[str, Any]:
    scheduler, peak = train.get('LR_SCHEDULER', {}), float(train['BASE_LR'])
    name = scheduler.get('NAME')
    first, last = _number(train.get('WARMUP_LR')), _number(train.get('MIN_LR'))
    return {
        'param_scheduler.type': SCHEDULERS.get(name, name),
        'param_scheduler.warmup': train.get('WARMUP_EPOCHS'),
        'param_scheduler.warmup_ratio': None if first is None else first / peak,
        'param_scheduler.min_ratio': last / peak if name == 'cosine' and last is not None else None,
        'param_scheduler.warmup_prefix': scheduler.get('WARMUP_PREFIX') if name == 'cosine' else None,
        'param_scheduler.milestones': _numbers(scheduler.get('MULTISTEPS')) if name == 'multistep' else None,
        'param_scheduler.gamma': _number(scheduler.get('GAMMA')) if name == 'multistep' else None,
        'train_cfg.max_epochs': train.get('EPOCHS'),
    }


def _encoder(model: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    kind = model.get('TYPE')
    own = model.get(str(kind).upper(), {})
    settings = {
        'type': f'mmsimmim.{ENCODERS[kind]}' if kind in ENCODERS else kind,
        'arch.embed_dims': own.get('EMBED_DIM'),
        'arch.depths': own.get('DEPTHS'),
        'arch.num_layers': own.get('DEPTH'),
        'arch.num_heads': own.get('NUM_HEADS'),
        'arch.extra_norm_every_n_blocks': own.get('NORM_PERIOD'),
        'img_size': data.get('IMG_SIZE'),
        'patch_size': own.get('PATCH_SIZE'),
        'in_channels': own.get('IN_CHANS'),
        'window_size': own.get('WINDOW_SIZE'),
        'pretrained_window_sizes': own.get('PRETRAINED_WINDOW_SIZES'),
        'layer_scale_init_value': _number(own.get('INIT_VALUES')),
        'drop_path_rate': _number(model.get('DROP_PATH_RATE')),
    }
    return {f'model.backbone.{key}': value for key, value in settings.items()}


def _pretraining(model: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    target = model.get('SIMMIM', {}).get('NORM_TARGET', {})
    normalised = target.get('ENABLE')
    return {
        MASK + 'mask_ratio': _number(data.get('MASK_RATIO')),
        MASK + 'mask_patch_size': data.get('MASK_PATCH_SIZE'),
        'model.target_generator.type': 'mmsimmim.NormalizedPixelTarget' if normalised else 'mmsimmim.PixelTarget',
        'model.target_generator.window_size': target.get('PATCH_SIZE') if normalised else None,
    }


def _classification(config: dict[str, Any]) -> dict[str, Any]:
    augmentation = config.get('AUG', {})
    policy = str(augmentation.get('AUTO_AUGMENT'))
    level, spread = re.search(r'-m(\d+)', policy), re.search(r'-mstd([\d.]+)', policy)
    return {
        'optim_wrapper.paramwise_cfg.layer_decay_rate': _number(config['TRAIN'].get('LAYER_DECAY')),
        'model.head.num_classes': config['MODEL'].get('NUM_CLASSES'),
        'model.head.loss.label_smooth_val': _number(config['MODEL'].get('LABEL_SMOOTHING')),
        'model.train_cfg.augments[Mixup].alpha': _number(augmentation.get('MIXUP')),
        'model.train_cfg.augments[CutMix].alpha': _number(augmentation.get('CUTMIX')),
        PIPELINE + '[RandAugment].magnitude_level': level and int(level[1]),
        PIPELINE + '[RandAugment].magnitude_std': spread and float(spread[1]),
        PIPELINE + '[RandomErasing].erase_prob': _number(augmentation.get('REPROB')),
    }


def _number(value: Any) -> float | None:
    """A number; YAML reads 1e-4 as text."""
    return float(value) if isinstance(value, str) else value


def _numbers(values: Any) -> list[float] | None:
    return None if values is None else [_number(value) for value in values]
