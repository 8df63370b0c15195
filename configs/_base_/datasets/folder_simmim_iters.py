"""Your own images without labels, as an infinite stream; image, patches and share of the masked ones are variables.

One image in twenty is held out, chosen by its name.
"""

_base_ = ['imagenet_simmim_192_iters.py']

data_root = 'data/my_images'
dataset_type = 'mmsimmim.ImageFolder'
list_file = None  # names those of the images below data_root to take
search = True  # False: list_file names all of them, and no folder is searched
batch_size = 128  # images of one process in a step
num_workers = 4
img_size = 192
mask_patch_size = 32
mask_ratio = 0.6
model_patch_size = 4  # of the encoder
crop_ratio_range = (0.67, 1.0)  # share of the image's area that a crop has
max_value = None  # of grey images of more than 8 bits: which value becomes white

mask = dict(
    type='mmsimmim.SimMIMMaskGenerator',
    input_size=img_size,
    mask_patch_size=mask_patch_size,
    model_patch_size=model_patch_size,
    mask_ratio=mask_ratio)

train_pipeline = [
    dict(
        type='mmsimmim.LoadRandomResizedCrop',
        scale=img_size,
        crop_ratio_range=crop_ratio_range,
        flip_prob=0.5,
        max_value=max_value),
    dict(type='mmsimmim.PackImage')
]
val_pipeline = [
    dict(type='mmsimmim.LoadImage', max_value=max_value),
    dict(type='ResizeEdge', scale=img_size, edge='short', backend='pillow', interpolation='bilinear'),
    dict(type='CenterCrop', crop_size=img_size),
    dict(mask, seed=0),
    dict(type='PackInputs')
]

dataset = dict(type=dataset_type, data_root=data_root, list_file=list_file, search=search)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    collate_fn=dict(mask=mask),
    dataset=dict(dataset, split='train', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
    persistent_workers=num_workers > 0,
    dataset=dict(dataset, split='val', pipeline=val_pipeline))
