"""The transform that makes a pipeline's random draws a function of the sample."""

from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from ..seeding import SampleIndex, seed_all


@TRANSFORMS.register_module()
class SeedSample(BaseTransform):
    """Seed Python's, NumPy's and PyTorch's generators for the transforms that follow. Place it first.

    The seed is what :class:`SeededSampler` (or :class:`SeededInfiniteSampler`) sends along with the index: the run's
    seed, the epoch and the index.

    **Required Keys:** ``sample_idx`` (SampleIndex)

    Examples:
        >>> train_pipeline = [dict(type='mmsimmim.SeedSample'), dict(type='mmsimmim.LoadImage'), ...]
    """

    def transform(self, results: dict) -> dict:
        """Seed the generators; the results pass through.

        Args:
            results (dict): The sample, with its ``sample_idx``.

        Returns:
            dict: The same.

        Raises:
            TypeError: The index carries no key, because the sampler is another one.
        """
        index = results['sample_idx']
        if not isinstance(index, SampleIndex):
            raise TypeError('SeedSample got an index without the epoch: it would draw the same crops and masks in '
                            "every epoch. Set sampler=dict(type='mmsimmim.SeededSampler', shuffle=True) in the data "
                            'loader (mmsimmim.SeededInfiniteSampler for loops counted in iterations). Wrappers such '
                            'as RepeatDataset compute new indices and lose the epoch: place SeedSample without them.')
        seed_all(*index.key)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
