"""ImageNet-V2, matched frequency: ten new images for each class (arXiv 1902.10811). Folders are numbers of classes."""

data_root = 'data/imagenetv2-matched-frequency-format-val'

test_dataloader = dict(dataset=dict(type='mmsimmim.ImageNetVariant', data_root=data_root, num_images=10_000))
test_evaluator = dict(type='mmsimmim.VariantAccuracy', prefix='imagenet_v2')
