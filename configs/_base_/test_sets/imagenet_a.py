"""ImageNet-A, images on which a ResNet-50 fails, of 200 classes (arXiv 1907.07174); decided among these 200."""

data_root = 'data/imagenet-a'

test_dataloader = dict(
    dataset=dict(type='mmsimmim.ImageNetVariant', data_root=data_root, num_classes=200, num_images=7_500))
test_evaluator = dict(type='mmsimmim.VariantAccuracy', prefix='imagenet_a')
