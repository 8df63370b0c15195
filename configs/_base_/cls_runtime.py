"""Runtime of every run with labels."""

_base_ = ['default_runtime.py']

default_hooks = dict(
    _delete_=True,
    **{name: hook for name, hook in _base_.default_hooks.items() if name != 'reconstruction'},
    classes=dict(type='mmsimmim.CheckClassesHook'),
    visualization=dict(type='VisualizationHook', enable=False))
