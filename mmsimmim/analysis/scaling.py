"""When the network limits training on many GPUs: communication time against computation time.

Machines have 8 GPUs, between which sending costs nothing here. A ring through all GPUs enters and leaves each machine
once, so that what a GPU sends crosses the machine's link.
"""

import math
from dataclasses import dataclass

FLOAT32, BFLOAT16 = 4, 2  # bytes
GPUS_PER_MACHINE = 8


@dataclass
class CommunicationVolume:
    """Bytes that each of n GPUs sends in a step, times n / (n - 1).

    Args:
        forward (float): Bytes during the forward pass.
        backward (float): Bytes during the backward pass.
    """

    forward: float
    backward: float

    @property
    def total(self) -> float:
        """Bytes."""
        return self.forward + self.backward

    def sent(self, gpus: int) -> float:
        """Bytes that each of a number of GPUs sends."""
        return self.total * (gpus - 1) / gpus


@dataclass
class Load:
    """Computation and communication of the training of a config.

    Args:
        parameters (int): All parameters of the model.
        trained (int): Those that have gradients.
        outer (int): Those outside of the encoder, which FSDPStrategy all-gathers once in a step.
        images (int): On each GPU, in a step of the optimizer.
        seconds (float): Of computation per image.
        accumulated (int): Forward and backward passes in a step of the optimizer. Defaults to 1.
        recomputes (bool): Whether activations are recomputed in the backward pass. Defaults to False.
    """

    parameters: int
    trained: int
    outer: int
    images: int
    seconds: float
    accumulated: int = 1
    recomputes: bool = False

    @property
    def step(self) -> float:
        """Seconds of computation in a step of the optimizer."""
        return self.images * self.seconds

    @property
    def forward_share(self) -> float:
        """Of the computation; a backward pass takes as long as two forward passes, and the recomputed one if any."""
        return 1 / (4 if self.recomputes else 3)

    def communication(self, kind: str) -> CommunicationVolume:
        """What is sent in a step of the optimizer: ``'DDP'``, ``'DDP, bf16'`` or ``'FSDP'``.

        Accumulated passes of DDP send nothing, those of FSDPStrategy as much as the last one.
        """
        if kind == 'FSDP':
            gathered_again = self.parameters - self.outer + self.trained
            unit = self.accumulated * FLOAT32
            return CommunicationVolume(unit * self.parameters, unit * gathered_again)
        return CommunicationVolume(0, 2 * (BFLOAT16 if kind == 'DDP, bf16' else FLOAT32) * self.trained)


KINDS = ('DDP', 'DDP, bf16', 'FSDP')


def first_to_dominate(volume: CommunicationVolume, seconds: float, total_images: int, bandwidth: float) -> int | None:
    """The smallest number of GPUs on which sending takes longer than computing, at a fixed effective batch size.

    (n - 1) / n x bytes / bandwidth > seconds x images / n, that is, n > 1 + seconds x images x bandwidth / bytes.

    Args:
        volume (CommunicationVolume): What is sent.
        seconds (float): Of computation per image.
        total_images (int): In a step, of all GPUs together.
        bandwidth (float): Bytes per second between machines.

    Returns:
        int | None: A multiple of 8, at least two machines; None if there would be less than one image on each.
    """
    above = 1 + seconds * total_images * bandwidth / volume.total
    gpus = max(2, math.floor(above / GPUS_PER_MACHINE) + 1) * GPUS_PER_MACHINE
    return gpus if gpus <= total_images else None


def first_at_fixed_batch(volume: CommunicationVolume, available: float, bandwidth: float) -> int | None:
    """The smallest number of GPUs on which sending takes longer than some time, at a fixed batch on each GPU.

    (n - 1) / n x bytes / bandwidth > available. What a GPU sends grows to ``bytes`` and no further: if that takes no
    longer, no number does.

    Args:
        volume (CommunicationVolume): What is sent.
        available (float): Seconds.
        bandwidth (float): Bytes per second between machines.

    Returns:
        int | None: A multiple of 8, at least two machines; None for never.
    """
    ratio = available * bandwidth / volume.total
    if ratio >= 1:
        return None
    return max(2, math.floor(1 / (1 - ratio) / GPUS_PER_MACHINE) + 1) * GPUS_PER_MACHINE


def first_to_show(load: Load, kind: str, bandwidth: float) -> int | None:
    """The smallest number of GPUs on which sending takes longer than what it overlaps with, at a fixed batch on each.

    Args:
        load (Load): The training.
        kind (str): How it sends.
        bandwidth (float): Bytes per second between machines.

    Returns:
        int | None: See :func:`first_at_fixed_batch`.
    """
    volume, forward = load.communication(kind), load.step * load.forward_share
    parts = ((volume.forward, forward), (volume.backward, load.step - forward))
    found = [first_at_fixed_batch(CommunicationVolume(0, sent), available, bandwidth)
             for sent, available in parts if sent]
    return min((gpus for gpus in found if gpus), default=None)
