"""Learning rates that follow the effective batch size."""

from collections.abc import Iterator

from mmengine.config import Config

from ...errors import UserError

# Arguments of learning rate schedulers that are learning rates; all others are factors, steps or times.
ABSOLUTE_RATES = ('eta_min', 'eta_max', 'min_value', 'min_lr', 'max_lr', 'warmup_lr')


def scale_lr(cfg: Config, world_size: int) -> list[str]:
    """Scale every learning rate of a config to the effective batch size.

    The factor is ``train_dataloader.batch_size * world_size * optim_wrapper.accumulative_counts`` over
    ``auto_scale_lr.base_batch_size``. It applies to the optimizer's rate and to the schedulers' absolute rates;
    rates given as a ratio follow by themselves. (MMEngine's own scaling leaves the schedulers and the accumulation
    out.) Afterwards the config says for which batch its rates are, and MMEngine's scaling is off: scaling once more
    changes nothing.

    Args:
        cfg (Config): Changed in place.
        world_size (int): Number of training processes.

    Returns:
        list[str]: Messages for the log.

    Raises:
        UserError: The config lacks one of the numbers this needs.
    """
    base = _required(cfg, 'auto_scale_lr', 'base_batch_size', 'the batch that the learning rates are made for')
    batch_size = _required(cfg, 'train_dataloader', 'batch_size', 'the images per process and step')
    accumulated = max(wrapper.get('accumulative_counts', 1) for wrapper in _optim_wrappers(cfg))
    total = batch_size * world_size * accumulated
    messages = [f'Learning rates scaled by {total / base:g}: they are made for an effective batch size of {base}, and '
                f'this run takes {batch_size} x {world_size} processes x {accumulated} accumulated = {total}.']
    for place, holder, key in _rates(cfg):
        scaled = _times(holder[key], total / base)
        messages.append(f'    {place}: {holder[key]} -> {scaled}')
        holder[key] = scaled
    cfg.auto_scale_lr = dict(enable=False, base_batch_size=total)
    return messages


def _required(cfg: Config, section: str, key: str, meaning: str) -> int:
    value = (cfg.get(section) or {}).get(key)
    if value is None:
        raise UserError(f'To scale the learning rates the config must set {section}.{key}, {meaning}.')
    return value


def _optim_wrappers(cfg: Config) -> list[dict]:
    """The optimizer wrappers: one, or several by name for an ``OptimWrapperDict``."""
    if 'optimizer' in cfg.optim_wrapper:
        return [cfg.optim_wrapper]
    return [value for value in cfg.optim_wrapper.values() if isinstance(value, dict) and 'optimizer' in value]


def _rates(cfg: Config) -> Iterator[tuple[str, dict, str]]:
    """(name, dictionary, key) of every absolute learning rate."""
    for wrapper in _optim_wrappers(cfg):
        if wrapper['optimizer'].get('lr') is None:
            raise UserError('To scale the learning rates the config must set optim_wrapper.optimizer.lr.')
        yield 'optimizer.lr', wrapper['optimizer'], 'lr'
    for scheduler in _lr_schedulers(cfg.get('param_scheduler') or []):
        for key in ABSOLUTE_RATES:
            if scheduler.get(key) is not None:
                yield f'{_name(scheduler)}.{key}', scheduler, key


def _lr_schedulers(schedulers) -> Iterator[dict]:
    if isinstance(schedulers, dict) and 'type' in schedulers:
        if _name(schedulers).endswith('LR') or schedulers.get('param_name') == 'lr':
            yield schedulers
    else:
        for part in schedulers.values() if isinstance(schedulers, dict) else schedulers:
            yield from _lr_schedulers(part)


def _times(rate: float | list, factor: float) -> float | list:
    return [_times(part, factor) for part in rate] if isinstance(rate, (list, tuple)) else rate * factor


def _name(scheduler: dict) -> str:
    kind = scheduler['type']
    return kind if isinstance(kind, str) else kind.__name__
