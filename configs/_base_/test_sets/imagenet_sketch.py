"""ImageNet-Sketch, drawings of all 1000 classes (arXiv 1905.13549)."""

data_root = 'data/sketch'

test_dataloader = dict(dataset=dict(type='mmsimmim.ImageNetVariant', data_root=data_root, num_images=50_889))
test_evaluator = dict(type='mmsimmim.VariantAccuracy', prefix='imagenet_sketch')
