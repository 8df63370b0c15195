"""What all encoders share: the mask token, frozen parts, and loading that leaves nothing out in silence."""

from collections.abc import Iterable
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from .loading import require_fit, strip_model_prefix


class Encoder(BaseModule):
    """Base of the encoders, which set ``embed_dims`` and ``in_channels``."""

    embed_dims: int
    in_channels: int
    # Beginnings of the names that a file must have, and of which it may have no others.
    required_parts: tuple[str, ...]
    # Set to True to load files that hold only a part of the encoder; otherwise they are refused.
    allow_partial_loading = False

    def add_mask_token(self) -> None:
        """Make the learned token that stands for masked ones; downstream models have none, as it gets no gradient."""
        self.mask_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def train(self, mode: bool = True) -> 'Encoder':
        """Set the training mode, except for what is frozen."""
        super().train(mode)
        self._freeze()
        return self

    def _frozen_modules(self) -> Iterable[nn.Module]:
        """The parts that are not trained."""
        raise NotImplementedError

    def _freeze(self) -> None:
        for module in self._frozen_modules():
            module.eval().requires_grad_(False)

    def _require_channels(self, images: Tensor) -> None:
        if images.shape[1] != self.in_channels:
            raise ValueError(f'the images have {images.shape[1]} channels, but in_channels is {self.in_channels}')

    def _require_mask_token(self) -> Tensor:
        if not hasattr(self, 'mask_token'):
            raise ValueError('this backbone has no mask token: build it inside mmsimmim.SimMIM, '
                             'or call add_mask_token() first')
        return self.mask_token

    def _adapt_state_dict(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        """Bring a file's parameters, keys with ``prefix``, into the form of this encoder, in place."""

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        strip_model_prefix(state_dict, prefix, list(self.state_dict()))
        self._adapt_state_dict(state_dict, prefix)
        if not hasattr(self, 'mask_token'):
            state_dict.pop(prefix + 'mask_token', None)
        if not self.allow_partial_loading:
            require_fit(self, state_dict, prefix, required=self.required_parts)
        super()._load_from_state_dict(state_dict, prefix, *args)
