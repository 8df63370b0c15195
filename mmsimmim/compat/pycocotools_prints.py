"""Fault: pycocotools prints four lines for each annotation file that it reads, in each process, and not into the log.

A training of mmdet reads three files (images to train on, images to validate on, and what these are compared with).

Repair: mmdet's ``COCO`` logs one line that says what is in the file. Tables of results are printed as before.
"""

import io
import time
from contextlib import redirect_stdout
from functools import wraps
from types import ModuleType

from mmsimmim.compat.import_hook import after_import


def apply() -> None:
    """Let mmdet's ``COCO`` log what it reads, now or when mmdet is imported."""
    after_import('mmdet.datasets.api_wrappers.coco_api', _log_in_place_of_prints)


def _log_in_place_of_prints(module: ModuleType) -> None:
    init = module.COCO.__init__
    if hasattr(init, '__wrapped__'):
        return

    @wraps(init)
    def wrapped(self, annotation_file=None):
        from mmengine.logging import print_log
        start = time.perf_counter()
        with redirect_stdout(io.StringIO()):
            init(self, annotation_file)
        if annotation_file is not None:
            print_log(f'Read {annotation_file} in {time.perf_counter() - start:.1f} s: {len(self.imgs)} images, '
                      f'{len(self.anns)} annotations', logger='current')

    module.COCO.__init__ = wrapped
