"""Runtime of detection runs that count iterations; each config sets the interval of checkpoints."""

_base_ = 'det_runtime.py'

default_hooks = dict(logger=dict(log_metric_by_epoch=False), checkpoint=dict(by_epoch=False))
log_processor = dict(by_epoch=False)
