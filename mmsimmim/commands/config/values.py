"""Values of a config that MMEngine and PyTorch take without a look, and fail on, or train nonsense with, much later."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.config import Config

from ...errors import UserError
from ..common.refusals import short

LEVELS = ('CRITICAL', 'FATAL', 'ERROR', 'WARNING', 'WARN', 'INFO', 'DEBUG', 'NOTSET')


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _numbers(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _all(value: Any, fits: Callable[[Any], bool]) -> bool:
    return all(_is_number(number) and math.isfinite(number) and fits(number) for number in _numbers(value))


def _is_list(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, (list, tuple)) and _all(value, fits)


# Allowed values, in words and as a test.
SECTION = ('a dictionary of settings', lambda value: isinstance(value, dict))
SECTION_OR_NONE = ('a dictionary of settings or None', lambda value: value is None or isinstance(value, dict))
SECTIONS = ('a list of dictionaries', lambda value: value is None or isinstance(value, (list, tuple)) and all(
    isinstance(one, dict) for one in value))
PARTS = ('a dictionary of settings, a list of them, or None', lambda value: (
    value is None or isinstance(value, (dict, list, tuple))))
SWITCH = ('True or False', lambda value: isinstance(value, bool))
LENGTH = ('a whole number of at least 0', lambda value: _is_number(value) and value >= 0 and value == value // 1)
COUNT = ('a whole number of at least 0', lambda value: _is_whole(value, 0))
AT_LEAST_1 = ('a whole number of at least 1', lambda value: _is_whole(value, 1))
INTERVAL = ('a whole number of at least 1, or -1 for never', lambda value: _is_whole(value, 1) or value == -1)
KEPT = ('a whole number of at least 1, or -1 for all', lambda value: _is_whole(value, -1))
NOT_NEGATIVE = ('a finite number of at least 0', lambda value: _is_number(value) and _all(value, lambda x: x >= 0))
FINITE = ('a finite number', lambda value: _is_number(value) and _all(value, lambda x: True))
POSITIVE = ('a number above 0', lambda value: _is_number(value) and value > 0)
DECAYS = ('a list of numbers from 0 to below 1', lambda value: _is_list(value, lambda x: 0 <= x < 1))
DEVIATIONS = ('a list of finite numbers above 0', lambda value: value is None or _is_list(value, lambda x: x > 0))
MEANS = ('a list of finite numbers', lambda value: value is None or _is_list(value, lambda x: True))
SEED = ('a whole number from 0 to 2**32 - 1, or None', lambda value: value is None or _is_whole(value, 0) and (
    value < 2**32))
LEVEL = (f'one of {", ".join(LEVELS)}', lambda value: value in LEVELS)
METRICS = ('a dictionary of settings, a list of them, or None', lambda value: (
    value is None or isinstance(value, dict) or isinstance(value, list) and value and all(
        isinstance(one, dict) for one in value)))
STEPS = ('a list of dictionaries', lambda value: isinstance(value, (list, tuple)) and all(
    isinstance(one, dict) for one in value))
KIND = ('the name of a class', lambda value: callable(value) or isinstance(value, str) and value.strip())
WORD = ('a word', lambda value: value is None or isinstance(value, str) and value)

_LOADER = r'(train|val|test)_dataloader\.'
_OPTIMIZER = r'optim_wrapper\.(\w+\.)?optimizer\.'
_SCHEDULER = r'param_scheduler\.(\w+\.)*'
RULES = [(re.compile(key), *allowed) for key, allowed in [
    (r'model|default_hooks', SECTION),
    (r'(train|val|test)_(dataloader|cfg)|optim_wrapper|randomness|log_processor', SECTION_OR_NONE),
    (r'env_cfg|env_cfg\.(dist_cfg|mp_cfg)', SECTION_OR_NONE),
    (r'auto_scale_lr|model_wrapper_cfg|strategy|visualizer|custom_imports|tta_model', SECTION_OR_NONE),
    (r'(val|test)_evaluator', METRICS),
    (r'custom_hooks', SECTIONS),
    (r'\w+_dataloader\.(dataset\.)+backend_args', SECTION_OR_NONE),
    (r'\w+_dataloader\.(dataset\.)+pipeline', STEPS),
    (r'(.+\.)?type', KIND),
    (r'env_cfg\.cudnn_benchmark|auto_scale_lr\.enable', SWITCH),
    (r'param_scheduler|model\.neck', PARTS),
    (r'default_hooks\.\w+|optim_wrapper\.(clip_grad|paramwise_cfg)', SECTION_OR_NONE),
    (r'optim_wrapper\.optimizer|model\.(backbone|data_preprocessor)|\w+_dataloader\.(dataset|sampler)', SECTION),
    (r'log_level', LEVEL),
    (r'work_dir|load_from|default_scope|experiment_name|runner_type', WORD),
    (r'resume|find_unused_parameters|train_cfg\.by_epoch|(model\.)?data_preprocessor\.(bgr_to_rgb|rgb_to_bgr)', SWITCH),
    (r'train_cfg\.max_(epochs|iters)', LENGTH),
    (r'train_cfg\.val_interval', AT_LEAST_1),
    (r'train_cfg\.val_begin', COUNT),
    (_LOADER + r'batch_size', AT_LEAST_1),
    (_LOADER + r'num_workers', COUNT),
    (_LOADER + r'(drop_last|pin_memory|persistent_workers)', SWITCH),
    (_LOADER + r'prefetch_factor', ('a whole number of at least 1, or None', lambda value: (
        value is None or _is_whole(value, 1)))),
    (_OPTIMIZER + r'(lr|weight_decay|eps|momentum)', NOT_NEGATIVE),
    (_OPTIMIZER + r'betas', DECAYS),
    (r'optim_wrapper\.accumulative_counts', AT_LEAST_1),
    (r'optim_wrapper\.clip_grad\.(max_norm|norm_type|clip_value)', POSITIVE),
    (r'optim_wrapper\.paramwise_cfg\.(custom_keys\..+\.)?\w+_mult', NOT_NEGATIVE),
    (r'optim_wrapper\.loss_scale', ("'dynamic', a number above 0, or a dictionary", lambda value: (
        value in (None, 'dynamic') or isinstance(value, dict) or _is_number(value) and value > 0))),
    (_SCHEDULER + r'(warmup|warmup_ratio|min_ratio|start_factor|end_factor|eta_min|gamma|begin|power)', NOT_NEGATIVE),
    (_SCHEDULER + r'(end|T_max)', POSITIVE),
    (_SCHEDULER + r'milestones', ('a list of numbers of at least 0', lambda value: _is_list(value, lambda x: x >= 0))),
    (_SCHEDULER + r'(by_epoch|convert_to_iter_based)', SWITCH),
    (r'default_hooks\.checkpoint\.interval', INTERVAL),
    (r'default_hooks\.checkpoint\.max_keep_ckpts', KEPT),
    (r'default_hooks\.logger\.interval|log_processor\.window_size|auto_scale_lr\.base_batch_size', AT_LEAST_1),
    (r'randomness\.seed', SEED),
    (r'(model\.)?data_preprocessor\.std', DEVIATIONS),
    (r'(model\.)?data_preprocessor\.mean', MEANS),
]]


def check_values(cfg: Config) -> None:
    """Make sure that the settings of a run are of the kind and in the range that they need.

    Args:
        cfg (Config): Not changed.

    Raises:
        UserError: One is not; with its key, its value and what is allowed.
    """
    for key, value in _places(cfg.to_dict()):
        if isinstance(value, float) and math.isnan(value):
            raise UserError(f'{key}={value}: this is not a number.')
        for pattern, allowed, fits in RULES:
            if pattern.fullmatch(key) and not fits(value):
                raise UserError(f'{key}={short(value)}: it must be {allowed}.')


def _places(node: Any, key: str = '') -> Iterator[tuple[str, Any]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for name, value in items:
        below = f'{key}.{name}' if key else str(name)
        yield below, value
        yield from _places(value, below)
