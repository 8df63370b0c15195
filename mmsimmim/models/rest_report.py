"""Missing and unexpected parameters of the parts of a model outside its encoder.

MMEngine warns that model and file "do not match exactly", and names the parameters of the encoder too, of which the
encoder's own report says all that matters.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from .backbones.encoder import Encoder
from .backbones.loading import own_parameters, shorten


def has_report(model: nn.Module) -> bool:
    """Whether an encoder in the model reports what it loads."""
    return any(isinstance(part, Encoder) and own_parameters(part) is not None for part in model.modules())


class RestReport(logging.Logger):
    """Collects MMEngine's warnings of a file that does not match a model, except what the encoders report.

    Args:
        model (nn.Module): What is loaded.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__('rest')
        self.model, self.faults = model, []
        self.encoders = tuple(f'{name}.' if name else '' for name, part in model.named_modules()
                              if isinstance(part, Encoder))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take the names of missing and unexpected parameters from what MMEngine collects while it loads."""
        handle = self.model.register_load_state_dict_post_hook(self._take)
        try:
            yield
        finally:
            handle.remove()

    def _take(self, model: nn.Module, keys: Any) -> None:
        for what, names in (('missing, left as they were', keys.missing_keys),
                            ('unexpected, not used', keys.unexpected_keys)):
            rest = [name for name in names
                    if not name.startswith(self.encoders) and not name.endswith('num_batches_tracked')]
            names.clear()  # or MMEngine would warn of them
            if rest:
                self.faults.append(f'{len(rest)} {what}: {shorten(rest)}')

    def log(self, level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Take what is left of MMEngine's warning: parameters of another shape.

        Args:
            level (int): Not used.
            msg (Any): The warning, with a line of introduction.
        """
        reported = tuple(f'size mismatch for {encoder}' for encoder in self.encoders)
        lines = [line.strip() for line in str(msg).splitlines()[1:]]
        self.faults += [line for line in lines if line and not line.startswith(reported)]

    def __str__(self) -> str:
        return f'{type(self.model).__name__}, outside the encoder: {"; ".join(self.faults)}'
