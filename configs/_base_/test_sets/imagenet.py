"""ImageNet-1K's own validation images and labels, to stand beside the other test sets."""

data_root = 'data/imagenet'

test_dataloader = dict(dataset=dict(type='ImageNet', data_root=data_root, split='val'))
test_evaluator = dict(type='Accuracy', prefix='imagenet')
