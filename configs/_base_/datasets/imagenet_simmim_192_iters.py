"""The same images and masks as an endless stream, for runs whose length is a number of iterations."""

_base_ = ['imagenet_simmim_192.py']

train_dataloader = dict(sampler=dict(type='mmsimmim.SeededInfiniteSampler'))
