"""Fault: mmcv's compiled operators exist for no current PyTorch unless one compiles them.

``mmcv-lite`` ships the Python side of ``mmcv.ops`` without the extension ``mmcv._ext``, so ``import mmcv.ops`` fails,
and with it the models of mmdet and mmseg. Prebuilt wheels of full mmcv below 2.2, which is mmdet's limit, are for older
PyTorch only. ``onedl-mmcv`` comes as source, and pip builds it without operators unless PyTorch is installed.

Repair: where there is no ``mmcv._ext``, :mod:`..mmcv_extension` puts this package in its place. Operators with an exact
counterpart in torchvision or PyTorch run on that: NMS, RoIAlign (average), deformable convolution with and without
modulation, multi-scale deformable attention, sigmoid focal loss; soft-NMS is written in PyTorch. Every other operator
resolves, as mmcv's import demands, and raises when it is called. Where the real extension is installed, nothing
happens. ``tools/benchmarks/operators/compare.py`` compares each with mmcv's own (docs/operators.md).

All functions take what mmcv's Python side passes and, like the compiled ones, write into the tensors it allocated.
Half and bfloat16 tensors are computed in float32 and rounded once at the end.
"""

from mmsimmim.compat.mmcv_ops.common import UnsupportedOpError
from mmsimmim.compat.mmcv_ops.extension import SUPPORTED, fill

__all__ = ['SUPPORTED', 'UnsupportedOpError', 'fill']
