"""Replacing masked tokens by the mask token."""

from torch import Tensor


def replace_masked_tokens(tokens: Tensor, mask: Tensor, mask_token: Tensor) -> Tensor:
    """Replace every masked token by the mask token (paper section 3.2).

    Args:
        tokens (Tensor): Patch embeddings, shape (B, h, w, C).
        mask (Tensor): Any dtype, shape (B, h, w), 1 = masked.
        mask_token (Tensor): Shape (1, 1, C).

    Returns:
        Tensor: Shape (B, h, w, C), dtype of ``tokens``.

    Raises:
        ValueError: If the mask is not on the grid of the tokens.
    """
    if mask.shape != tokens.shape[:3]:
        raise ValueError(f'the mask has shape {tuple(mask.shape)}, but the image has tokens {tuple(tokens.shape[:3])} '
                         '(batch, rows, columns): input_size and model_patch_size of the mask generator must be '
                         "the image's size after cropping and the backbone's patch_size")
    weight = mask.unsqueeze(-1).to(tokens.dtype)
    return tokens * (1 - weight) + mask_token.to(tokens.dtype) * weight
