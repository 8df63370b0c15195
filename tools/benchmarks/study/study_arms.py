"""The arms of the study."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from tools.benchmarks.study.study_presets import StudyPreset
from tools.benchmarks.transfer.transfer_configs import pretrain_config

STRATEGIES = {'random': 'SimMIMMaskGenerator', 'square': 'SquareMaskGenerator', 'block-wise': 'BlockwiseMaskGenerator'}


@dataclass(frozen=True)
class Arm:
    """One difference to the default.

    Args:
        name (str): Short, unique.
        group (str): What is varied: 'mask', 'head', 'target' or 'area'; '' for the default.
        mask (dict): Settings over the default mask generator's.
        model (dict): Settings over the default model's.
    """

    name: str
    group: str = ''
    mask: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The name as part of a file's."""
        return ''.join(letter if letter.isalnum() else '-' for letter in self.name)


DEFAULT = Arm('default')


def all_arms(study: StudyPreset, palette: Path) -> list[Arm]:
    """The default and everything that differs from it in one thing.

    Args:
        study (StudyPreset): The size.
        palette (Path): File of the colours of the cluster target.

    Returns:
        list[Arm]: The default first.
    """
    return [DEFAULT, *_masks(study), *_heads(study), *_targets(study, palette), _area()]


def _masks(study: StudyPreset) -> Iterator[Arm]:
    for strategy, patches in study.masks.items():
        for patch, ratios in patches.items():
            for ratio in ratios:
                if (strategy, patch, ratio) != ('random', study.base.mask_patch_size, 0.6):
                    yield Arm(f'{strategy}, {patch} px, {ratio:.0%}'.replace('%', ' %'), 'mask', mask=dict(
                        type=f'mmsimmim.{STRATEGIES[strategy]}', mask_patch_size=patch, mask_ratio=ratio))


def _heads(study: StudyPreset) -> Iterator[Arm]:
    yield Arm('MLP', 'head', model=dict(neck=dict(type='mmsimmim.SimMIMMLPDecoder')))
    for name, arch in study.inverse.items():
        yield Arm(name, 'head', model=dict(neck=dict(
            type='mmsimmim.SimMIMInverseSwinDecoder', arch=arch, img_size=study.base.img_size,
            window_size=study.base.window_size)))


def _targets(study: StudyPreset, palette: Path) -> Iterator[Arm]:
    for criterion in ('L2', 'SmoothL1'):
        yield Arm(criterion, 'target', model=dict(head=dict(loss=dict(criterion=criterion))))
    for stride in study.strides:
        yield Arm(f'{study.base.img_size // stride} px target', 'target', model=_target('PixelTarget', stride=stride))
    for bins, stride in study.bins.items():
        yield Arm(f'bins, {bins}', 'target', model=_classes('ColourBinTarget', num_bins=bins, stride=stride))
    yield Arm(f'clusters, {study.clusters}', 'target',
              model=_classes('ColourClusterTarget', palette=str(palette), stride=study.cluster_stride))
    yield Arm('normalised, sliding', 'target', model=_target('NormalizedPixelTarget', window_size=study.local_window))
    yield Arm('normalised, patch', 'target',
              model=_target('PatchNormalizedPixelTarget', patch_size=study.base.mask_patch_size))


def _target(kind: str, **settings) -> dict:
    return dict(target_generator=dict(type=f'mmsimmim.{kind}', **settings))


def _classes(kind: str, **settings) -> dict:
    loss = dict(_delete_=True, type='mmsimmim.CrossEntropyReconstructionLoss')
    return dict(**_target(kind, **settings), head=dict(loss=loss))


def _area() -> Arm:
    return Arm('whole image', 'area', model=dict(head=dict(area='whole')))


def arm_config(study: StudyPreset, arm: Arm, seed: int, train: Path, val: Path, work_dir: Path) -> Config:
    """The pre-training of an arm.

    Args:
        study (StudyPreset): The size.
        arm (Arm): What differs from the default.
        seed (int): Of initial weights, crops and masks.
        train (Path): Training images, a folder per class.
        val (Path): Validation images likewise.
        work_dir (Path): For logs and checkpoints.

    Returns:
        Config: To be given to MMEngine's Runner.
    """
    cfg = pretrain_config(study.base, train, val, work_dir)
    cfg.merge_from_dict(dict(model=arm.model, randomness=dict(seed=seed)))
    mask = next(step for step in cfg.train_dataloader.dataset.pipeline if step.type.endswith('MaskGenerator'))
    mask.update(arm.mask)
    cfg.custom_hooks[0].at_start = arm == DEFAULT
    return cfg


def mask_config(study: StudyPreset, arm: Arm) -> dict:
    """The mask generator of an arm."""
    return dict(type='mmsimmim.SimMIMMaskGenerator', input_size=study.base.img_size,
                mask_patch_size=study.base.mask_patch_size, model_patch_size=4, mask_ratio=0.6) | arm.mask
