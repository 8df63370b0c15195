"""Repairs for dependencies.

One file per cause; each says which fault of which release it mends, and does nothing where the fault is absent.
Importing this package first checks the installed versions, then applies every repair once. It imports neither
mmpretrain nor mmdet nor mmseg: what concerns them is mended at the moment somebody else imports them.
"""

from mmsimmim.compat.versions import check_versions

check_versions()

from mmsimmim.compat import (  # noqa: E402
    amp_on_cpu,
    checkpoint_fallback,
    checkpoint_globals,
    config_packages,
    mmcv_ops,
    mmdet_bf16_rois,
    mmpretrain_multimodal,
    pkg_resources_gone,
)

REPAIRS = (checkpoint_globals, checkpoint_fallback, pkg_resources_gone, config_packages, amp_on_cpu, mmcv_ops,
           mmpretrain_multimodal, mmdet_bf16_rois)


def apply_repairs() -> None:
    """Apply every repair; a second call changes nothing."""
    for repair in REPAIRS:
        repair.apply()


apply_repairs()

__all__ = ['REPAIRS', 'apply_repairs', 'check_versions']
