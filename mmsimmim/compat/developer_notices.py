"""Fault: MMEngine logs, at the level of a user's messages, what concerns only who programs with it.

Each training warns that ``FileClient`` and ``HardDiskBackend`` are deprecated (MMEngine's own ``CheckpointHook`` asks
for them and uses neither) and that metrics of mmsegmentation have no prefix; an optimizer with ``paramwise_cfg`` takes
a line for each setting of each parameter, 120 for a small Swin; and a file that is loaded is announced twice, once past
the logger and by every process. Models of mmdet and mmsegmentation warn of functions that they themselves call.

Repair: these messages are at DEBUG level (``log_level='DEBUG'`` in a config shows them), the warnings are ignored. All
others are left alone.
"""

import logging
import re
import warnings
from functools import wraps
from types import ModuleType

from mmsimmim.compat.import_hook import after_import

# The beginnings of messages, by the module of MMEngine that prints them.
NOTICES = {
    'mmengine.fileio.file_client': r'"FileClient" will be deprecated|"HardDiskBackend" is the alias',
    'mmengine.evaluator.metric': r'The prefix is not set in metric class',
    'mmengine.optim.optimizer.default_constructor':
        r'paramwise_options -- |\S+ is skipped since its requires_grad|\S* is duplicate\. It is skipped',
    'mmengine.runner.checkpoint': r'Loads checkpoint by',
    'mmengine.logging': r'Could not import OneDL',  # of the fork's frameworks, at DEBUG level but past the logger
}
# The beginnings of Python's warnings.
WARNINGS = ('DeprecationWarning: `num_anchors` is deprecated', '``build_loss`` would be deprecated soon')


def apply() -> None:
    """Lower the messages to DEBUG in the modules that are there, and in the others when they are imported."""
    for message in WARNINGS:
        warnings.filterwarnings('ignore', message=re.escape(message))
    for module in NOTICES:
        after_import(module, _lower)


def _lower(module: ModuleType) -> None:
    print_log, pattern = module.print_log, re.compile(NOTICES[module.__name__])
    if getattr(print_log, 'lowers', None) == pattern:
        return

    @wraps(print_log)
    def wrapped(msg, logger=None, level=logging.INFO) -> None:
        if pattern.match(str(msg)):
            logger, level = logger or 'current', logging.DEBUG
        print_log(msg, logger=logger, level=level)

    wrapped.lowers = pattern
    module.print_log = wrapped
