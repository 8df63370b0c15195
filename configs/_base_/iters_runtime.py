"""The default runtime of iteration-based runs, with intervals of ten epochs of ImageNet-1K."""

_base_ = ['default_runtime.py']

default_hooks = dict(
    # Otherwise validations are logged at step 0.
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=6_250), reconstruction=dict(by_epoch=False, interval=6_250))
log_processor = dict(by_epoch=False)
