"""How a step's images are dealt out to devices and iterations."""

from dataclasses import dataclass

from ..errors import UserError
from .whole import is_whole

# A core has enough to do with 8 images at a time, and gains nothing by more than 64.
IMAGES_OF_A_CORE, MOST_OF_A_CORE = 8, 64
IMAGES_OF_A_GPU = 64
# What one GPU takes where nobody has tried: the paper's images of each of its 16.
UNTRIED_GPU = 128


@dataclass(frozen=True)
class Machine:
    """What a recipe has to know of the machine.

    Args:
        device (str): 'cpu', 'cuda', 'mps', ... Defaults to 'cpu'.
        devices (int): Processes of the training. Defaults to 1.
        cores (int): Of one process, on a CPU. Defaults to 1.
        largest_batch (int, optional): Images that one device takes at a time, found by trial. Defaults to None: on a
            CPU 64 for each core, elsewhere 128.
        images_per_second (float, optional): Of training, of all devices together, after the first steps. Defaults to
            None: not known.
        start_seconds (float): What a run takes before its first step. Defaults to 0.
        precision (str, optional): 'bf16', 'fp16' or 'fp32'. Defaults to None: bf16, on a CPU only with AVX512-BF16 or
            AMX, else fp32.
    """

    device: str = 'cpu'
    devices: int = 1
    cores: int = 1
    largest_batch: int | None = None
    images_per_second: float | None = None
    start_seconds: float = 0.
    precision: str | None = None

    def __post_init__(self) -> None:
        for name in ('devices', 'cores', 'largest_batch'):
            value = getattr(self, name)
            if value is not None and not is_whole(value):
                raise UserError(f'{name} must be a whole number from 1 on, got {value!r}.')
            if value is not None:
                object.__setattr__(self, name, int(value))
        if self.images_per_second is not None and not self.images_per_second > 0:
            raise UserError(f'images_per_second must be a number above 0, got {self.images_per_second!r}.')
        if self.precision not in (None, 'bf16', 'fp16', 'fp32'):
            raise UserError(f"precision must be 'bf16', 'fp16' or 'fp32', got {self.precision!r}.")

    @property
    def on_cpu(self) -> bool:
        """Whether it computes on a CPU."""
        return self.device.split(':')[0] == 'cpu'

    @property
    def most_at_a_time(self) -> int:
        """Images of one iteration of one device, at most."""
        return self.largest_batch or (MOST_OF_A_CORE * self.cores if self.on_cpu else UNTRIED_GPU)

    @property
    def busy_batch(self) -> int:
        """Images of a step that keep it busy, as far as they fit at a time."""
        busy = IMAGES_OF_A_CORE * self.cores if self.on_cpu else IMAGES_OF_A_GPU
        return self.devices * min(busy, self.most_at_a_time)

    def deal_out(self, batch: int) -> tuple[int, int]:
        """Images of an iteration of each device, and iterations of a step; their product is the batch or a little less.

        Args:
            batch (int): Images of a step.
        """
        accumulation = max(1, -(-batch // (self.devices * self.most_at_a_time)))
        return max(1, batch // (self.devices * accumulation)), accumulation
