"""An iteration-based loop that resumes without reading earlier data again."""

from mmengine.runner import IterBasedTrainLoop as MMEngineIterBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader

from ..datasets import SeededInfiniteSampler
from ..registry import LOOPS


@LOOPS.register_module()
class IterBasedTrainLoop(MMEngineIterBasedTrainLoop):
    """MMEngine's loop, except that a resumed run does not read the images of the iterations before.

    MMEngine 0.10.7 loads and throws away one batch for each of them, which late in a long run takes days. With
    :class:`SeededInfiniteSampler` the stream of samples begins at the right place instead; with any other sampler the
    loop is MMEngine's. The maintained fork calls the sampler's ``skip`` itself, and is left to do so.

    Args:
        *args: As MMEngine's ``IterBasedTrainLoop``.
        **kwargs: Likewise.

    Examples:
        >>> train_cfg = dict(type='mmsimmim.IterBasedTrainLoop', max_iters=125_000, val_interval=6_250)
    """

    def run(self) -> nn.Module:
        """Train; see MMEngine's loop."""
        skips = hasattr(self.dataloader_iterator, 'skip_iter')
        if self._iter > 0 and not skips and isinstance(self.dataloader.sampler, SeededInfiniteSampler):
            self.dataloader_iterator = _FastForward(self.dataloader, self._iter)
        return super().run()


class _FastForward:
    """An iterator over the batches from a given one on, which returns None while MMEngine skips the earlier ones."""

    def __init__(self, dataloader: DataLoader, num_batches: int) -> None:
        dataloader.sampler.skip(num_batches * dataloader.batch_size)
        self._batches = iter(dataloader)
        self._ahead = num_batches

    def __next__(self) -> dict | None:
        if self._ahead:
            self._ahead -= 1
            return None
        return next(self._batches)
