"""Logs and pictures that a disk does not take: said once, and the training goes on."""

import errno
import logging
import os
import os.path as osp
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps

from mmengine.runner import FlexibleRunner, Runner
from mmengine.visualization import LocalVisBackend

from ..checkpoints.storage import free_space
from ..errors import shown

# What a visualizer asks of its backends during a training.
METHODS = ('add_scalar', 'add_scalars', 'add_image', 'add_graph', 'close')
# The last bytes of every PNG.
PNG_END = b'IEND\xaeB`\x82'


class WritingErrors:
    """Keeps errors of writing from the training that logs: numbers, pictures, lines, of every backend.

    Checkpoints are not concerned: one that cannot be written ends the training.

    Args:
        runner (Runner | FlexibleRunner): The runner, whose visualizer and logger are changed.
    """

    def __init__(self, runner: Runner | FlexibleRunner) -> None:
        self.runner = runner
        self.told = False
        for backend in getattr(runner.visualizer, '_vis_backends', {}).values():
            for name in METHODS:
                if hasattr(backend, name):
                    setattr(backend, name, self._sparing(backend, name))
        for handler in runner.logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handleError = lambda record: self._tell(sys.exc_info()[1])  # not a traceback for each line

    def _sparing(self, backend: object, name: str) -> Callable[..., None]:
        method = getattr(backend, name)

        @wraps(method)
        def wrapped(*args, **kwargs) -> None:
            try:
                method(*args, **kwargs)
                if name == 'add_image' and isinstance(backend, LocalVisBackend):
                    _require_whole(backend, *args, **kwargs)
            except OSError as error:
                self._tell(error)

        return wrapped

    def _tell(self, error: BaseException | None) -> None:
        if not self.told:
            self.told = True
            folder = self.runner.work_dir
            self.runner.logger.warning(
                f'The log in {shown(folder)} cannot be written ({shown(error)}; {free_space(folder)} left on its '
                'disk). Training goes on; numbers, lines and pictures that are not written are lost.')


def _require_whole(backend: LocalVisBackend, name: str, image: object, step: int = 0, **kwargs) -> None:
    """OpenCV raises nothing where a picture is not written, or cut off."""
    path = osp.join(backend._img_save_dir, f'{name}_{step}.png')
    end = b''
    with suppress(OSError), open(path, 'rb') as file:
        file.seek(-len(PNG_END), os.SEEK_END)
        end = file.read()
    if end != PNG_END:
        with suppress(OSError):
            os.remove(path)
        raise OSError(errno.EIO, 'a picture is not written whole', path)
