"""The peak rate of the device: that of large matrix products, for comparison with a model."""

import torch

from tools.benchmarks.stopwatch import Stopwatch

SIDES = dict(cuda=(4096, 8192, 16384), cpu=(1024, 2048))


class MatrixProduct:
    """Products of square matrices of a few sizes; the fastest counts.

    Args:
        device (str): Where.
        dtype (torch.dtype): Of the matrices.
    """

    def __init__(self, device: str, dtype: torch.dtype) -> None:
        self._device, self._dtype = torch.device(device), dtype
        self._watch = Stopwatch(device)
        self._rates: list[float] = []

    def timed(self) -> None:
        """Measure once, with one product of each size before that does not count."""
        for side in SIDES[self._device.type]:
            left, right = torch.randn(2, side, side, device=self._device, dtype=self._dtype).unbind()
            out = left @ right
            self._watch.start()
            torch.mm(left, right, out=out)
            self._watch.mark('product')
            self._rates.append(2 * side**3 / self._watch.stop()['product'])

    @property
    def tflops(self) -> float:
        """10^12 operations per second, a multiply-add being two."""
        return max(self._rates) / 1e12
