"""The masks of the paper, which all pipelines draw."""

PATCH, TOKEN, RATIO = 32, 4, 0.6


def mask_generator(size: int, scope: str = 'mmsimmim') -> dict:
    """Config of the paper's masks."""
    return dict(type=f'{scope}.SimMIMMaskGenerator', input_size=size, mask_patch_size=PATCH, model_patch_size=TOKEN,
                mask_ratio=RATIO)
