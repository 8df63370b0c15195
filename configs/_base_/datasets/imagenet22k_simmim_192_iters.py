"""ImageNet-22K without its labels, as an infinite stream, validated on ImageNet-1K.

`data_root` is the fall 2011 release: `fall11_whole.tar` holds an archive for each class, n00004475.tar and so on, each
of which is unpacked into a folder of its name. Only images count: no list and no labels are needed.
"""

_base_ = ['imagenet_simmim_192_iters.py']

data_root = 'data/imagenet22k'

train_dataloader = dict(dataset=dict(data_root=data_root))
