"""Visual tokens of a frozen tokenizer as targets."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS
from .target import Target, require_divisible, require_stride


@MODELS.register_module()
class TokenTarget(Target):
    """The tokens of another network for the image, as in `BEiT <https://arxiv.org/abs/2106.08254>`_.

    The tokenizer is frozen, buffers included, always in evaluation mode, and runs in its own precision whatever that
    of the training. It has its own normalisation, and gets the image at the size at which it returns one token for
    each ``stride`` x ``stride`` pixels of the model's image. It is part of the model's checkpoints, so that a resumed
    run continues with the same one.

    With DALL-E, a training step compiles as one graph; VQ-KD breaks it.

    Args:
        tokenizer (dict): Config of the module. Called with images (B, 3, h, w), it gives token ids, integers of shape
            (B, h', w') or (B, h' * w'), such as mmpretrain's ``VQKD``; or logits of all tokens, floating point, shape
            (B, num_tokens, h', w'), such as mmpretrain's ``DALL-E``. Its weights come from its ``init_cfg``; VQ-KD is
            refused without, as it would initialise its codebook from the first images.
        num_tokens (int): Size of the codebook. Defaults to 8192, for both.
        stride (int): Pixels of the model's image per side of a token. Defaults to 16: 12 x 12 tokens at 192 px.
        tokenizer_stride (int): Pixels of the tokenizer's image per side of a token. Defaults to 8, DALL-E's; VQ-KD has
            16.
        mean (float | tuple[float]): Subtracted from colours of 0 to 255, red, green, blue. Defaults to -31.875, which
            with the deviation 318.75 brings them to 0.1..0.9 as DALL-E wants them.
        std (float | tuple[float]): Then divided by. Defaults to 318.75. VQ-KD takes 127.5 for both.

    Raises:
        ValueError: If a stride, the number of tokens or a deviation is out of range.

    Examples:
        >>> target_generator = dict(
        ...     type='mmsimmim.TokenTarget',
        ...     tokenizer=dict(type='mmpretrain.DALL-E',
        ...                    init_cfg=dict(type='Pretrained', checkpoint='dalle_encoder.pth')))
    """

    from_colours = True

    def __init__(self,
                 tokenizer: dict,
                 num_tokens: int = 8192,
                 stride: int = 16,
                 tokenizer_stride: int = 8,
                 mean: float | tuple[float, float, float] = -31.875,
                 std: float | tuple[float, float, float] = 318.75) -> None:
        super().__init__()
        if not isinstance(num_tokens, int) or num_tokens < 2:
            raise ValueError(f'num_tokens must be an integer of at least 2, got {num_tokens!r}')
        self.num_classes = num_tokens
        self.stride = require_stride(stride)
        self.tokenizer_stride = require_stride(tokenizer_stride, 'tokenizer_stride')
        self.register_buffer('mean', _per_channel('mean', mean), persistent=False)
        self.register_buffer('std', _per_channel('std', std), persistent=False)
        self.tokenizer = MODELS.build(tokenizer)
        self.tokenizer.requires_grad_(False)
        self.tokenizer.eval()
        self._checked = False

    def out_channels(self, in_channels: int) -> int:
        """A logit for each token; ValueError if the images are not in colour."""
        if in_channels != 3:
            raise ValueError(f'TokenTarget is made for images of three channels, the encoder has {in_channels}')
        return self.num_classes

    def train(self, mode: bool = True) -> 'TokenTarget':
        """Set the mode of everything but the tokenizer."""
        super().train(mode)
        self.tokenizer.eval()
        return self

    @torch.no_grad()
    def forward(self, colours: Tensor) -> Tensor:
        """Tokenize.

        Args:
            colours (Tensor): Images before normalisation, red, green, blue from 0 to 255, shape (B, 3, H, W).

        Returns:
            Tensor: int64, shape (B, 1, H / stride, W / stride).

        Raises:
            ValueError: If the stride does not divide the sides, the tokenizer gives another number of tokens, or, of
                the first images, one beyond ``num_tokens``.
        """
        require_divisible(colours, self.stride, 'stride')
        rows, cols = colours.shape[2] // self.stride, colours.shape[3] // self.stride
        if not self._checked:
            _require_codebook(self.tokenizer)
        out = self._tokenize(self._as_seen(colours, rows, cols))
        tokens = self._read(out)
        if tokens.numel() != len(colours) * rows * cols:
            raise ValueError(f'the tokenizer gave the shape {tuple(out.shape)} for {rows} x {cols} tokens: '
                             f'tokenizer_stride {self.tokenizer_stride} must be its pixels per side of a token')
        if not (self._checked or torch.compiler.is_compiling()):
            self._require_ids(tokens)
            self._checked = True
        return tokens.reshape(-1, 1, rows, cols)

    def _tokenize(self, images: Tensor) -> Tensor:
        # VQ-KD counts how often each token is used, in evaluation mode too.
        before = [(buffer, buffer.clone()) for buffer in self.tokenizer.buffers()]
        with torch.autocast(images.device.type, enabled=False):
            out = self.tokenizer(images)
        for buffer, value in before:
            buffer.copy_(value)
        return out

    def _read(self, out: Tensor) -> Tensor:
        """Ids, int64, of what the tokenizer gave."""
        if not isinstance(out, Tensor):
            raise ValueError(f'the tokenizer must give a tensor of ids or scores, got a {type(out).__name__}')
        if not out.is_floating_point():
            return out.long()
        if out.shape[1] != self.num_classes:
            raise ValueError(f'the tokenizer gives scores of {out.shape[1]} tokens, num_tokens is {self.num_classes}')
        return out.argmax(1)

    def _require_ids(self, tokens: Tensor) -> None:
        # Checked only once, as reading a value synchronises with the GPU.
        low, high = tokens.min().item(), tokens.max().item()
        if low < 0 or high >= self.num_classes:
            raise ValueError(f'the tokenizer gave ids from {low} to {high}, and num_tokens is {self.num_classes}: they '
                             'must lie between 0 and num_tokens - 1')

    def _as_seen(self, colours: Tensor, rows: int, cols: int) -> Tensor:
        """Images at the size and with the normalisation of the tokenizer."""
        size = (rows * self.tokenizer_stride, cols * self.tokenizer_stride)
        if colours.shape[2:] != size:
            colours = F.interpolate(colours, size, mode='bicubic', antialias=True).clamp(0, 255)
        return (colours - self.mean) / self.std


def _per_channel(name: str, values: float | tuple[float, float, float]) -> Tensor:
    numbers = values if isinstance(values, (tuple, list)) else (values, )
    if len(numbers) not in (1, 3):
        raise ValueError(f'{name} must be a number, or one for each of red, green and blue; got {len(numbers)}')
    if name == 'std' and not min(numbers) > 0:
        raise ValueError(f'std must be above 0, got {values}')
    return torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1, 1)


def _require_codebook(tokenizer: nn.Module) -> None:
    """ValueError if mmpretrain's VQ-KD would initialise its codebook from the first images of each process."""
    if any(not getattr(module, 'initted', True) for module in tokenizer.modules()):
        raise ValueError('the codebook of the tokenizer is empty: give its weights, '
                         "target_generator.tokenizer.init_cfg=dict(type='Pretrained', checkpoint=FILE)")
