"""Compiling from a config."""

import time

from mmengine.hooks import Hook

from ...registry import HOOKS
from ..compiling import compile_model, keep_compiled


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the model when training begins, and log how long it took.

    :func:`mmsimmim.engine.compiling.compile_model` says what is compiled. It is kept on disk, where the next run of the
    same model finds it. ``compile=True`` in a config or among ``--cfg-options`` of our tools adds this hook; with the
    tools of other packages write it as in the example.

    Args:
        cache_dir (str, optional): Where it is kept. Defaults to None: ``~/.cache/mmsimmim/compiled``, or what the
            environment variable ``TORCHINDUCTOR_CACHE_DIR`` says.
        **options: Options of ``torch.compile``, such as ``mode='max-autotune-no-cudagraphs'``.

    Examples:
        >>> custom_hooks = [dict(type='mmsimmim.CompileHook')]
    """

    # After the hooks that copy the model, such as EMAHook.
    priority = 'VERY_LOW'

    def __init__(self, cache_dir: str | None = None, **options) -> None:
        self.cache_dir = cache_dir
        self.options = options
        self._began = 0.
        self._seconds = 0.
        self._graphs = 0

    def before_train(self, runner) -> None:
        """Compile. The first steps do the work.

        Args:
            runner (Runner): The runner of the training.
        """
        keep_compiled(self.cache_dir)
        what = compile_model(runner.model, **self.options)
        self._graphs = count_graphs()[0]
        runner.logger.info(f'Compiling {what}. The first steps take longer.')

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Note the time."""
        self._began = time.perf_counter()

    def after_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Log how long compilation took, in the first step that has nothing new to compile.

        Args:
            runner (Runner): The runner of the training.
            batch_idx (int): Not used.
            data_batch (dict, optional): Not used.
            outputs (dict, optional): Not used.
        """
        graphs, found = count_graphs()
        if graphs > self._graphs:
            self._seconds += time.perf_counter() - self._began
        elif self._seconds:
            runner.logger.info(f'Compiled {graphs} graphs in steps of together {self._seconds:.0f} s; {found} '
                               'forward or backward halves had been kept from earlier runs.')
            self._seconds = 0.
        self._graphs = graphs


def count_graphs() -> tuple[int, int]:
    """How many graphs this process has compiled, and how many (forward or backward) it found on disk."""
    from torch._dynamo.utils import counters  # seconds to import
    return counters['stats']['unique_graphs'], counters['inductor']['fxgraph_cache_hit']
