"""Fault: mmdet 3.3.0, like its fork, rounds regions of interest to the type of the features.

Its RoI extractors call ``rois.type_as(feats[0])``. Under bfloat16 autocast that leaves 8 bits for a coordinate: beyond
512 pixels a box can only sit at multiples of 4, and the index of the image is rounded likewise. Besides, the RoIAlign
of a compiled mmcv has no bfloat16 kernel.

Repair: with bfloat16 features the extractors work in float32 and return bfloat16. Nothing changes for other types.
"""

import functools
from types import ModuleType

from mmsimmim.compat.import_hook import after_import

PACKAGE = 'mmdet.models.roi_heads.roi_extractors'
EXTRACTORS = {
    f'{PACKAGE}.single_level_roi_extractor': 'SingleRoIExtractor',
    f'{PACKAGE}.generic_roi_extractor': 'GenericRoIExtractor',
}


def apply() -> None:
    """Wrap the extractors when mmdet is imported."""
    for module in EXTRACTORS:
        after_import(module, _wrap_extractor)


def _wrap_extractor(module: ModuleType) -> None:
    extractor = getattr(module, EXTRACTORS[module.__name__])
    if not hasattr(extractor.forward, '__wrapped__'):
        extractor.forward = _in_float32(extractor.forward)


def _in_float32(forward):
    @functools.wraps(forward)
    def wrapped(self, feats, rois, *args, **kwargs):
        import torch

        if feats[0].dtype is not torch.bfloat16:
            return forward(self, feats, rois, *args, **kwargs)
        with torch.autocast(feats[0].device.type, enabled=False):
            features = forward(self, tuple(feat.float() for feat in feats), rois.float(), *args, **kwargs)
        return features.bfloat16()

    return wrapped
