"""What a checkpoint holds, in words."""

from collections.abc import Iterable

from .recognise import Contents


def describe(contents: Contents) -> str:
    """What a state dict holds, and the size of the encoder, as far as the parameters tell it.

    Args:
        contents (Contents): What :func:`~.recognise.recognise` found.

    Returns:
        str: Such as 'official SimMIM pre-training of Swin (base, 128 channels, blocks 2-2-18-2, heads 4-8-16-32,
        windows 6-6-6-6, patch 4)'.
    """
    facts = [
        contents.arch or 'own size',
        f'{contents.embed_dims} channels' if contents.embed_dims else '',
        f'blocks {join(contents.depths)}' if contents.depths else '',
        f'heads {join(contents.num_heads)}' if any(contents.num_heads) else '',
        f'windows {join(contents.windows)}' if any(contents.windows) else '',
        f'patch {contents.patch_size}' if contents.patch_size else '',
        f'{contents.in_channels} image channels' if contents.in_channels not in (None, 3) else '',
    ]
    return f'{contents.title} ({", ".join(filter(None, facts))})'


def join(numbers: Iterable[int | None]) -> str:
    """Numbers of the stages, '?' where one is unknown."""
    return '-'.join('?' if number is None else str(number) for number in numbers)
