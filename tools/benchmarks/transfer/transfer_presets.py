"""The two sizes of the transfer benchmark."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """Everything the size decides.

    Args:
        arch (str | dict): Of the Swin Transformer.
        window_size (int): Its window, tokens.
        img_size (int): Side of the images, pixels.
        mask_patch_size (int): Side of a masked patch, pixels.
        pretrain_epochs (int): Length of the pre-training.
        pretrain_batch (int): Images a step of it.
        pretrain_lr (float): Its peak learning rate.
        probe_interval (int): Epochs between two measurements of the frozen features.
        finetune_epochs (dict[int, int]): Epochs of fine-tuning for each percentage of the labels.
        finetune_batch (int): Images a step of it.
        finetune_lrs (tuple[float]): Peak learning rates that each start tries.
        layer_decay (float): Of the fine-tuning of the pre-trained network; random ones have none.
        drop_path (float): In fine-tuning.
        num_workers (int): Processes that read images.
        dtype (str): Of autocast.
        stages (int): Of the Swin Transformer.
    """

    arch: str | dict
    window_size: int
    img_size: int
    mask_patch_size: int
    pretrain_epochs: int
    pretrain_batch: int
    pretrain_lr: float
    probe_interval: int
    finetune_epochs: dict[int, int]
    finetune_batch: int
    finetune_lrs: tuple[float, ...]
    layer_decay: float
    drop_path: float
    num_workers: int
    dtype: str = 'bfloat16'
    stages: int = 4


PRESETS = {
    'cpu': Preset(
        arch=dict(embed_dims=48, depths=[2, 2, 4], num_heads=[2, 4, 8]), stages=3, window_size=4, img_size=64,
        mask_patch_size=16, pretrain_epochs=150, pretrain_batch=64, pretrain_lr=1e-3, probe_interval=25,
        finetune_epochs={10: 80, 30: 40, 100: 20}, finetune_batch=32, finetune_lrs=(1e-4, 3e-4, 1e-3, 3e-3),
        layer_decay=0.85, drop_path=0.1, num_workers=0),
    'gpu': Preset(
        arch='tiny', window_size=5, img_size=160, mask_patch_size=32, pretrain_epochs=1600, pretrain_batch=256,
        pretrain_lr=5e-4, probe_interval=200, finetune_epochs={10: 300, 30: 200, 100: 100}, finetune_batch=64,
        finetune_lrs=(1e-4, 3e-4, 1e-3, 3e-3), layer_decay=0.85, drop_path=0.1, num_workers=12),
}
