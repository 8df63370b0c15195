"""Your own images, as in the Swin-Tiny config for folders, with an encoder of 12 million parameters in place of 28.

For a CPU or a laptop's GPU; smaller still: `--cfg-options model.backbone.arch=femto` (5 million) or `atto` (1 million).
"""

_base_ = ['simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py']

model = dict(backbone=dict(arch='nano'), neck=dict(in_channels=512))
