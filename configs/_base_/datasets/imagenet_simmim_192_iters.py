"""The same images and masks as an infinite stream, for iteration-based runs."""

_base_ = ['imagenet_simmim_192.py']

train_dataloader = dict(sampler=dict(type='mmsimmim.SeededInfiniteSampler'))
