"""The two sizes of the study."""

from dataclasses import dataclass, replace

from tools.benchmarks.transfer.transfer_presets import PRESETS as TRANSFER
from tools.benchmarks.transfer.transfer_presets import Preset


@dataclass(frozen=True)
class StudyPreset:
    """Everything the size decides.

    Args:
        base (Preset): Of the transfer benchmark: network, images, lengths and rates of both trainings.
        masks (dict[str, dict[int, tuple[float]]]): Mask ratios for each strategy and masked patch size, pixels.
        strides (tuple[int]): Coarser targets, pixels per side of a position.
        bins (dict[int, int]): Stride of the target for each number of bins.
        clusters (int): Colours of the palette.
        cluster_stride (int): Stride of their target, pixels.
        local_window (int): Side of the window of the locally normalised target, pixels.
        inverse (dict[str, dict]): Inverse Swin decoders by name.
        main (tuple[str]): Arms that every seed runs; the others run with the first one.
        labels (int): Percentage of the labelled images that fine-tuning uses.
    """

    base: Preset
    masks: dict[str, dict[int, tuple[float, ...]]]
    strides: tuple[int, ...]
    bins: dict[int, int]
    clusters: int
    cluster_stride: int
    local_window: int
    inverse: dict[str, dict]
    main: tuple[str, ...]
    labels: int = 100


STUDIES = {
    'cpu': StudyPreset(
        base=replace(
            TRANSFER['cpu'], arch=dict(embed_dims=32, depths=[1, 1, 4], num_heads=[1, 2, 4]), pretrain_epochs=32,
            probe_interval=32, finetune_epochs={100: 12}, finetune_lrs=(3e-4, 1e-3, 3e-3)),
        masks={
            'random': {16: (0.2, 0.4, 0.6, 0.8), 8: (0.4, 0.6, 0.8), 4: (0.6, 0.8)},
            'square': {16: (0.25, 0.5)},
            'block-wise': {16: (0.4, 0.6, 0.8), 8: (0.6, )}},
        strides=(4, 16), bins={8: 1, 256: 4}, clusters=64, cluster_stride=4, local_window=15,
        inverse={'inverse Swin': dict(embed_dims=32, depths=[1, 1, 2], num_heads=[1, 2, 4])},
        main=('default', 'square, 16 px, 50 %', 'block-wise, 16 px, 60 %', 'inverse Swin', 'bins, 8', 'whole image')),
    'gpu': StudyPreset(
        base=replace(
            TRANSFER['gpu'], img_size=192, window_size=6, pretrain_epochs=400, probe_interval=100,
            finetune_epochs={100: 100}),
        masks={
            'random': {
                4: (0.4, 0.6, 0.8), 8: (0.4, 0.6, 0.8), 16: (0.4, 0.6, 0.8),
                32: (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), 64: (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)},
            'square': {32: (0.11, 0.25, 0.5)},
            'block-wise': {16: (0.4, 0.6, 0.8), 32: (0.4, 0.6, 0.8)}},
        strides=(2, 4, 8, 16, 32), bins={8: 1, 256: 4}, clusters=512, cluster_stride=4, local_window=47,
        inverse={'inverse Swin-T': 'tiny', 'inverse Swin-B': 'base'},
        main=('default', 'square, 32 px, 50 %', 'block-wise, 32 px, 60 %', 'MLP', 'inverse Swin-B', 'bins, 8',
              'L2', 'whole image')),
}
