"""The default runtime for runs whose length is a number of iterations, with pauses of ten epochs of ImageNet-1K."""

_base_ = ['default_runtime.py']

default_hooks = dict(
    # Otherwise a validation stands at step 0 in the log's files.
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=6_250), reconstruction=dict(by_epoch=False, interval=6_250))
log_processor = dict(by_epoch=False)
