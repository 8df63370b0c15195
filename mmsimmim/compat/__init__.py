"""Repairs for dependencies.

One file per cause; each says which fault of which release it mends, and does nothing where the fault is absent.
Importing this package first checks the installed versions, then applies every repair once. It imports neither PyTorch
nor a framework: what concerns them is mended at the moment somebody else imports them.
"""

from mmsimmim.compat.versions import check_versions

check_versions()

from mmsimmim.compat import (  # noqa: E402
    adafactor,
    amp_on_cpu,
    checkpoint_fallback,
    checkpoint_globals,
    config_packages,
    developer_notices,
    flexible_progress,
    mmcv_extension,
    mmdet_bf16_rois,
    mmpretrain_multimodal,
    parameter_groups_log,
    pillow_ghostscript,
    pkg_resources_gone,
    pycocotools_prints,
    scipy_interp2d,
)

REPAIRS = (checkpoint_globals, checkpoint_fallback, pkg_resources_gone, config_packages, adafactor, amp_on_cpu,
           mmcv_extension, mmpretrain_multimodal, mmdet_bf16_rois, developer_notices, parameter_groups_log,
           flexible_progress, pillow_ghostscript, pycocotools_prints, scipy_interp2d)


def apply_repairs() -> None:
    """Apply every repair; a second call changes nothing."""
    for repair in REPAIRS:
        repair.apply()


apply_repairs()

__all__ = ['REPAIRS', 'apply_repairs', 'check_versions']
