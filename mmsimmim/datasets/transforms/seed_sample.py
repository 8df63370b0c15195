"""The transform that makes a pipeline's random draws a function of the sample."""

from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from ..seeding import key_of, seed_all


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
        seed_all(*key_of(results, 'SeedSample'))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
