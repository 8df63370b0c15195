"""What a person looks at: the masked inputs before the first step, and a page and pictures while the run goes on."""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from ...datasets.seeding import SampleIndex
from ...errors import UserError
from ...registry import DATASETS, FUNCTIONS
from ...visualization.files import write_file, write_picture
from ...visualization.learning import draw_learning
from ...visualization.panels import draw_row, hide_masked, stack_rows
from ...visualization.report import HELD_OUT, Report, draw_curves, keys_of, write_report
from ...visualization.training_log import Training, read_training
from .live import PROBE, images_per_second
from .pace import Pace, duration

PICTURES = 'pictures'
PAGE = 'report.html'
LEARNING, INPUTS_PICTURE = 'learning.png', 'inputs.png'
MOMENTS = ('reconstruction_first.png', 'reconstruction_middle.png', 'reconstruction.png')
LEARNED = 'The same held-out images with the same masks: what the encoder makes of them at moments of the training.'
ROWS = ('Held-out images: original, what the encoder sees, what it makes of it, and that with the visible pixels put '
        'back.')
WHOSE = dict(backbone='mmdetection, mmsegmentation, mmpretrain', timm='timm', hf='Hugging Face')
# Seconds between two pages.
PERIOD = 60
# Images in the grid of masked inputs, and in a row of it.
INPUTS, COLUMNS = 8, 4


def draw_inputs(cfg: Config, out: Path) -> Path:
    """Draw crops of training images, and what the encoder sees of them.

    Args:
        cfg (Config): Of the run, without whose model it does.
        out (Path): Folder of the run.

    Returns:
        Path: ``pictures/inputs.png`` in it.
    """
    init_default_scope(cfg.default_scope)
    loader = cfg.train_dataloader
    dataset = DATASETS.build(loader.dataset)
    seed = cfg.randomness.seed
    samples = [dataset[SampleIndex(index, key=(seed, 0, index))] for index in range(min(INPUTS, len(dataset)))]
    collate = dict(loader.collate_fn)
    batch = FUNCTIONS.get(collate.pop('type'))(samples, **collate)
    pairs = [_pair(image, mask) for image, mask in zip(batch['inputs'], batch['data_samples'].mask)]
    rows = [_row(pairs[start:start + COLUMNS]) for start in range(0, len(pairs), COLUMNS)]
    path = out / PICTURES / INPUTS_PICTURE
    write_picture(str(path), stack_rows(rows))
    return path


def _pair(image, mask) -> tuple[np.ndarray, np.ndarray]:
    picture = np.ascontiguousarray(image.numpy().transpose(1, 2, 0)[..., ::-1])
    return picture, hide_masked(picture, np.asarray(mask))


def _row(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    tiles = [tile for pair in pairs for tile in pair]
    return draw_row(tiles, ['crop', 'what the encoder sees'] * len(pairs))


class Page:
    """The page of a run, and the pictures beside it, written anew whenever there is something to show.

    Args:
        title (str): Its heading.
        out (Path): Folder of the run.
        notes (Sequence[str]): What was found, and what was chosen and why.
        max_iters (int): Iterations of the run.
        batch_size (int): Images of an iteration, of all processes.
    """

    def __init__(self, title: str, out: Path, notes: Sequence[str], max_iters: int, batch_size: int) -> None:
        self.title = title
        self.out = out
        self.notes = notes
        self.max_iters = max_iters
        self.batch_size = batch_size
        self._last: dict = {}
        self._pace = Pace(max_iters)
        self._left: float | None = None
        self._written = time.monotonic()

    def show(self, record: dict) -> None:
        """Take in a line of the log; a new page is written with each measure of held-out images, and once a minute."""
        if 'loss' in record:
            self._last, self._left = record, self._pace.left(record)
        if HELD_OUT in record or time.monotonic() - self._written >= PERIOD:
            self.write(self._state(), running=True)

    def _state(self) -> str:
        if not self._last:
            return f'Before the first of {self.max_iters:,} steps.'
        return f'Step {self._last["iter"]:,} of {self.max_iters:,}; {duration(self._left)} left.'

    def write(self, status: str, running: bool, files: Mapping[str, str] | None = None,
              commands: Sequence[str] = ()) -> Path:
        """Write the page.

        Args:
            status (str): One sentence.
            running (bool): Whether more will come.
            files (Mapping[str, str], optional): The exported encoder, or why there is none, by code base.
            commands (Sequence[str]): What to do next. Defaults to none.

        Returns:
            Path: It.
        """
        self._written = time.monotonic()
        training = _training(self.out / 'train')
        self._write_pictures(training)
        done = self._last.get('iter', 0) / self.max_iters if running or not commands else 1.
        return write_report(self.out / PAGE, Report(
            title=self.title, status=status, progress=done, running=running, figures=self._figures(training),
            notes=[note for note in self.notes if not note.startswith('WARNING')],
            warnings=[note for note in self.notes if note.startswith('WARNING')], training=training,
            pictures=self._pictures(), commands=commands,
            files={WHOSE.get(base, base): place for base, place in (files or {}).items()}))

    def _figures(self, training: Training | None) -> dict[str, str]:
        figures = {}
        if self._last:
            figures = {'loss': f'{self._last["loss"]:.4f}',
                       'images per second': images_per_second(self._last, self.batch_size) or 'unknown'}
        held_out, probed = ([values[key] for _, values in training.records if key in values] if training else []
                            for key in (HELD_OUT, PROBE))
        if held_out:
            figures['held-out loss'] = f'{held_out[-1]:.4f}'
        if probed:
            figures['nearest neighbours'] = f'{probed[-1]:.1f} %'
            figures['before training'] = f'{probed[0]:.1f} %'
        return figures

    def _write_pictures(self, training: Training | None) -> None:
        folder = self.out / PICTURES
        folder.mkdir(parents=True, exist_ok=True)
        drawn = _moments(self.out / 'train')
        for name, source in drawn.items():
            shutil.copyfile(source, folder / name)
        learning = _learning([drawn[name] for name in MOMENTS if name in drawn])
        if learning is not None:
            write_picture(str(folder / LEARNING), learning)
        if training is not None:
            write_file(folder / 'curves.png', draw_curves(training, keys_of(training), 'png'))

    def _pictures(self) -> list[tuple[str, Path]]:
        folder = self.out / PICTURES
        drawn = _moments(self.out / 'train')
        captions = {LEARNING: LEARNED} if len(drawn) > 1 else {}
        captions |= {name: f'After {_step_of(source):,} iterations. {ROWS}' for name, source in drawn.items()
                     if name == MOMENTS[-1] or not (folder / LEARNING).is_file()}
        captions[INPUTS_PICTURE] = 'Crops of training images, and what the encoder sees of them.'
        return [(caption, folder / name) for name, caption in captions.items() if (folder / name).is_file()]


def _learning(sheets: Sequence[Path]) -> np.ndarray | None:
    """The held-out images at several moments in one picture; None if there is one moment alone."""
    if len(sheets) < 2:
        return None
    return draw_learning([np.asarray(Image.open(sheet).convert('RGB')) for sheet in sheets],
                         [f'after {_step_of(sheet):,} iterations' for sheet in sheets])


def _training(work_dir: Path) -> Training | None:
    try:
        return read_training(str(work_dir))
    except UserError:  # nothing was logged yet
        return None


def _moments(work_dir: Path) -> dict[str, Path]:
    """Of the reconstructions that the training has drawn the last, that in the middle and the first, by their names."""
    drawn = {_step_of(path): path for path in sorted(
        work_dir.glob('*/vis_data/vis_image/reconstruction_*.png'), key=lambda path: path.stat().st_mtime)}
    steps = sorted(drawn)
    if not steps:
        return {}
    middle = min(steps, key=lambda step: (abs(step - steps[-1] / 2), -step))
    names = dict(zip((middle, steps[0], steps[-1]), (MOMENTS[1], MOMENTS[0], MOMENTS[2])))
    return {names[step]: drawn[step] for step in sorted(names, reverse=True)}


def _step_of(path: Path) -> int:
    return int(path.stem.rpartition('_')[2])
