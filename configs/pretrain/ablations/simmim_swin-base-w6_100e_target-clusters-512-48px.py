_base_ = '../simmim_swin-base-w6_16xb128-amp-coslr-100e_in1k-192px.py'

# tools/dataset_converters/fit_palette.py data/imagenet/train --out data/imagenet/palette_512.npy --stride 4
palette = 'data/imagenet/palette_512.npy'
model = dict(
    target_generator=dict(type='mmsimmim.ColourClusterTarget', palette=palette, stride=4),
    head=dict(loss=dict(_delete_=True, type='mmsimmim.CrossEntropyReconstructionLoss')))
