"""A test of one model on several sets."""

from collections.abc import Sequence

from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmengine.runner import TestLoop as MMEngineTestLoop
from torch.utils.data import DataLoader

from ..errors import UserError
from ..registry import LOOPS


@LOOPS.register_module()
class MultiSetTestLoop(MMEngineTestLoop):
    """MMEngine's test, on one set after the other, all of which are opened first. The log ends with all results.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader | dict): That of the first set.
        evaluator (Evaluator | dict | list): That of the first set.
        others (Sequence[dict]): ``dataloader`` and ``evaluator`` of each other set. Their metrics need names of their
            own, which ``prefix`` gives them.
        **kwargs: Further arguments of MMEngine's ``TestLoop``.

    Raises:
        UserError: Two sets have metrics with the same prefix.

    Examples:
        >>> test_cfg = dict(type='mmsimmim.MultiSetTestLoop', others=[dict(
        ...     dataloader=sketch_dataloader, evaluator=dict(type='Accuracy', prefix='imagenet_sketch'))])
    """

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, evaluator: Evaluator | dict | list,
                 others: Sequence[dict], **kwargs) -> None:
        super().__init__(runner, dataloader, evaluator, **kwargs)
        loops = [self, *(MMEngineTestLoop(runner, **other) for other in others)]
        self.sets = [(loop.dataloader, loop.evaluator) for loop in loops]
        self._require_own_names()

    def run(self) -> dict[str, float]:
        """Test on each set.

        Returns:
            dict[str, float]: The metrics of all.
        """
        everything, lines = {}, []
        for dataloader, evaluator in self.sets:
            self.dataloader, self.evaluator = dataloader, evaluator
            self.runner.visualizer.dataset_meta = evaluator.dataset_meta
            metrics = super().run()
            everything.update(metrics)
            lines.append(_line(len(dataloader.dataset), metrics))
        self.runner.logger.info('\n'.join(['Results:', *lines]))
        return everything

    def _require_own_names(self) -> None:
        seen: set[str | None] = set()
        for _, evaluator in self.sets:
            prefixes = {metric.prefix for metric in evaluator.metrics}
            if seen & prefixes:
                raise UserError(f'Two test sets have metrics with the prefix {(seen & prefixes).pop()!r}, so that one '
                                "would take the other's place in the results: set another `prefix` in the "
                                'test_evaluator of one, and give no set twice.')
            seen |= prefixes


def _line(size: int, metrics: dict[str, float]) -> str:
    values = '  '.join(f'{name}: {value:.2f}' if isinstance(value, float) else f'{name}: {value}'
                       for name, value in metrics.items())
    return f'  {size:>6} images  {values}'
