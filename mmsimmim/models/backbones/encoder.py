"""What all encoders share: the mask token, frozen parts, and loading with a report."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from .loading import (
    LoadReport,
    below,
    compare,
    drop_others,
    first_not_finite,
    own_parameters,
    require_fit,
    use_own_names,
)


class Encoder(BaseModule):
    """Base of the encoders, which set ``embed_dims`` and ``in_channels``.

    A state dict of any code base that :mod:`mmsimmim.checkpoints` knows is converted while it is loaded, checked, and
    reported in the log.
    """

    embed_dims: int
    in_channels: int
    # Prefixes of the names that a file must have, and may have no others of.
    required_parts: tuple[str, ...]
    # Fraction of these that must be in a file; 0 loads whatever there is.
    min_matched = 0.9
    # The other settings of `init_cfg`, during initialisation.
    _min_matched_at_first: float | None = None
    _reports_loading = True

    def add_mask_token(self) -> None:
        """Create the mask token; downstream models have none, as it would get no gradient."""
        self.mask_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def init_weights(self) -> None:
        """As MMEngine's, but with files of all code bases.

        In ``init_cfg=dict(type='Pretrained', checkpoint=..., prefix='backbone.', min_matched=0.9)`` the prefix need
        not be in the file, and ``min_matched`` is the fraction of parameters that must be, for this loading only.
        """
        given = self.init_cfg
        configs = [given] if isinstance(given, dict) else given or []
        self.init_cfg = [self._read_init_cfg(config) for config in configs]
        try:
            super().init_weights()
        finally:
            self.init_cfg, self._min_matched_at_first = given, None

    def _read_init_cfg(self, config: dict) -> dict:
        config = dict(config)
        self._min_matched_at_first = config.pop('min_matched', self._min_matched_at_first)
        if config.get('prefix') in ('backbone', 'backbone.'):
            del config['prefix']
        return config

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

    def _difference(self, report: LoadReport) -> str:
        """How the network of a file differs from this one, and what to set; '' if unknown."""
        return ''

    def compare(self, state_dict: dict[str, Tensor]) -> LoadReport:
        """Compare a state dict with this encoder, without loading it.

        Args:
            state_dict (dict[str, Tensor]): Of any code base that converts, or of a whole model; not changed.

        Returns:
            LoadReport: The names of what fits and what does not.

        Raises:
            CheckpointMismatch: If loading would refuse it.
        """
        return self._check(own_parameters(self), dict(state_dict), '')

    def _check(self, own: dict[str, Tensor], state_dict: dict[str, Tensor], prefix: str) -> LoadReport:
        """Bring a file's parameters into the form of this encoder, in place, and refuse them if they do not fit."""
        drop_others(own, state_dict, prefix)
        given = below(state_dict, prefix)
        min_matched = self.min_matched if self._min_matched_at_first is None else self._min_matched_at_first
        use_own_names(own, state_dict, prefix, in_part=min_matched == 0)
        sizes = {name: value.shape for name, value in below(state_dict, prefix).items()}
        self._adapt(state_dict, prefix)
        report = compare(own, below(state_dict, prefix), sizes)
        require_fit(report, own, given, type(self).__name__, self.required_parts, min_matched)
        return report

    def _adapt(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        self._adapt_state_dict(state_dict, prefix)
        if not hasattr(self, 'mask_token'):
            state_dict.pop(prefix + 'mask_token', None)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        own = own_parameters(self)
        if own is None:
            self._adapt(state_dict, prefix)
        else:
            report = self._check(own, state_dict, prefix)
            if self._reports_loading:
                self._report(report, first_not_finite(below(state_dict, prefix)))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _report(self, report: LoadReport, not_finite: str | None) -> None:
        lacking = any(name.startswith(self.required_parts) for name in report.missing)
        print_log(f'{type(self).__name__}: {report}', logger='current',
                  level=logging.WARNING if lacking else logging.INFO)
        difference = self._difference(report)
        if difference:
            print_log(f'{type(self).__name__}: {difference}', logger='current', level=logging.WARNING)
        if not_finite is not None:
            print_log(f'{type(self).__name__}: the checkpoint has values that are infinite or no numbers, first in '
                      f'{not_finite}', logger='current', level=logging.WARNING)


@contextmanager
def loading_silently(model: nn.Module) -> Iterator[None]:
    """Let the encoders of a model report nothing, for a trial load."""
    encoders = [module for module in model.modules() if isinstance(module, Encoder)]
    for encoder in encoders:
        encoder._reports_loading = False
    try:
        yield
    finally:
        for encoder in encoders:
            encoder._reports_loading = True
