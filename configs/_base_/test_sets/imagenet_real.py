"""ImageNet-1K's validation images with the ReaL labels, any number of them an image (arXiv 2006.07159).

`data_root` holds `val/`, in one folder or in one per class, and `real.json` of google-research/reassessed-imagenet.
"""

data_root = 'data/imagenet'

test_dataloader = dict(dataset=dict(type='mmsimmim.ImageNetReaL', data_root=data_root))
test_evaluator = dict(type='mmsimmim.VariantAccuracy', prefix='imagenet_real')
