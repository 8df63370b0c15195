"""ImageNet-R, renditions of 200 classes, another choice than that of -A (arXiv 2006.16241); decided among these 200."""

data_root = 'data/imagenet-r'

test_dataloader = dict(
    dataset=dict(type='mmsimmim.ImageNetVariant', data_root=data_root, num_classes=200, num_images=30_000))
test_evaluator = dict(type='mmsimmim.VariantAccuracy', prefix='imagenet_r')
