"""What a state dict holds, as it is recognised."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contents:
    """What a state dict holds. Whatever the parameters do not determine is None or empty.

    Args:
        title (str): What it is, for people.
        family (str): The code base of its names: ``'official'``, ``'mmsimmim'`` (OpenMMLab's, bare or a whole model),
            ``'timm'`` or ``'hf'``. timm's BEiT has the official names, and counts as official.
        encoder (str): ``'swin'``, ``'swin_v2'`` or ``'vit'``.
        arch (str | None): Our name of the architecture.
        embed_dims (int | None): Channels after the patch embedding.
        depths (tuple[int, ...]): Blocks of each stage; a ViT has one stage.
        num_heads (tuple[int | None, ...]): Heads of each stage, of a ViT only if it has bias tables.
        feedforward_channels (int | None): Inner width of the first block's MLP.
        extra_norm_every_n_blocks (int | None): Of a Swin V2, as in H and G; 0 for none, None if they do not stand after
            every n-th block of each stage.
        windows (tuple[int | None, ...]): Side of each stage's windows, tokens; the grid of a ViT. Swin V2 files tell it
            only where they carry index buffers.
        patch_size (int | None): Side of a patch, pixels.
        in_channels (int | None): Channels of the images.
        resolution (int | None): Side of the images, pixels; a Swin tells it by shift masks or by a window that has
            shrunk to its map.
        mask_token (bool): Whether there is a mask token.
        decoder (bool): Whether there is SimMIM's linear decoder.
        num_classes (int | None): Outputs of a classifier.
        shared_table (bool | None): Of a ViT: whether all blocks share one table of position biases; None without any.
        other_parts (tuple[str, ...]): Parts of the model that do not convert, such as a detector's heads.
    """

    title: str
    family: str
    encoder: str
    arch: str | None
    embed_dims: int | None
    depths: tuple[int, ...]
    num_heads: tuple[int | None, ...]
    feedforward_channels: int | None
    extra_norm_every_n_blocks: int | None
    windows: tuple[int | None, ...]
    patch_size: int | None
    in_channels: int | None
    resolution: int | None
    mask_token: bool
    decoder: bool
    num_classes: int | None
    shared_table: bool | None
    other_parts: tuple[str, ...]
