"""Hybrid Task Cascade with Swin V2-Giant for boxes alone, which is a Cascade R-CNN under HTC's names of parameters.

`interleaved=False` is needed: an interleaved HTC refines the boxes of a stage in its mask branch, so that without one
mmdet trains every stage on the proposals of the first.
"""

_base_ = 'htc_swinv2-giant-w32.py'

model = dict(roi_head=dict(interleaved=False, mask_roi_extractor=None, mask_head=None))
