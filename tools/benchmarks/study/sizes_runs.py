"""The runs of the sweep over sizes of data, lengths, rates, batches and masks; the most informative ones first."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

PHOTOS, NUCLEI = 'photos', 'nuclei'


@dataclass(frozen=True)
class Run:
    """One pre-training, all of it measured at its end.

    Args:
        part (str): What the run is in the sweep for.
        data (str): 'photos' or 'nuclei'.
        images (int): Training images, drawn from all by the seed.
        steps (int): Optimizer steps; 0 measures the encoder before them.
        batch (int): Images a step.
        lr (float): Peak learning rate.
        accumulate (int): Parts that a batch is split into. Defaults to 1.
        arch (str): 'swin', 'wide' (one of twice the channels) or 'vit'. Defaults to 'swin'.
        mask_patch (int): Side of a masked patch, pixels of a crop of 64. Defaults to 16.
        mask_ratio (float): Share of them. Defaults to 0.6.
        smallest_crop (float): Share of an image's area that a crop covers at least. Defaults to 0.67.
        seed (int): Of images, initial weights, crops and masks. Defaults to 0.
    """

    part: str
    data: str
    images: int
    steps: int
    batch: int
    lr: float
    accumulate: int = 1
    arch: str = 'swin'
    mask_patch: int = 16
    mask_ratio: float = 0.6
    smallest_crop: float = 0.67
    seed: int = 0

    @property
    def key(self) -> tuple:
        """What tells runs apart: everything but the part that asked for it."""
        return tuple(value for name, value in asdict(self).items() if name != 'part')


def all_runs() -> list[Run]:
    """Every run of the sweep, each once, in the order in which they are to be run."""
    runs: dict[tuple, Run] = {}
    for run in _plan():
        runs.setdefault(run.key, run)
    return list(runs.values())


def _plan() -> Iterator[Run]:
    everything = Run('length x rate', PHOTOS, 1515, 600, 32, 1e-3)
    yield replace(everything, part='untrained', steps=0)
    yield from _grid(everything, {150: (5e-5, 5e-4, 1e-3, 2e-3, 4e-3), 600: (5e-5, 2.5e-4, 1e-3, 2e-3, 4e-3)})
    yield from _grid(everything, {2400: (2.5e-4, 1e-3, 2e-3, 4e-3)})
    few = replace(everything, part='images x length')
    yield from _grid(replace(few, images=100), {150: (1e-3, 2e-3), 600: (1e-3, 2e-3), 2400: (5e-4, 1e-3, 4e-3)})
    yield replace(everything, steps=2400, lr=8e-3)
    yield from _batches(replace(everything, part='batch'))
    yield from _folder_config(everything, {150: (0, )})
    yield from _grid(replace(everything, part='width', arch='wide'), {600: (1e-3, 4e-3)})
    yield from _nuclei()
    yield from _folder_config(everything, {150: (1, )})
    yield from _masks(replace(everything, part='mask'))
    yield from _folder_config(everything, {600: (0, ), 150: (2, )})
    yield from _grid(replace(everything, part='vit', arch='vit'), {0: (1e-3, ), 300: (1e-3, 4e-3)})
    yield from _grid(replace(everything, part='seeds', seed=1), {0: (1e-3, ), 600: (1e-3, 4e-3)})
    yield replace(few, images=400)
    # what the rule chooses for all it has to say, and a part of that
    for images, steps, lr in ((100, 6244, 3.4e-3), (30, 1873, 3.5e-3), (1515, 9600, 3e-3)):
        yield replace(few, part='rule', images=images, steps=steps, lr=lr)
    yield from _nuclei_seeds()
    yield from _edges(everything, few)
    yield from _seeds(everything, few)


def _folder_config(run: Run, seeds: dict[int, tuple[int, ...]]) -> Iterator[Run]:
    """Batch and rate of the config for a folder, and for as many images those of the rule."""
    for steps, some in seeds.items():
        for seed in some:
            yield replace(run, part='folder config', batch=128, steps=steps, lr=5e-5, seed=seed)
            yield replace(run, part='rule', steps=4 * steps, lr=2e-3 if steps < 600 else 4e-3, seed=seed)


def _grid(run: Run, rates: dict[int, tuple[float, ...]]) -> Iterator[Run]:
    for steps, some in rates.items():
        for lr in some:
            yield replace(run, steps=steps, lr=lr)


def _batches(run: Run) -> Iterator[Run]:
    """Other batches for as many images."""
    seen = run.steps * run.batch
    for batch, rates in {8: (1e-3, 2e-3, 4e-3), 128: (4e-3, 1e-3)}.items():
        for lr in rates:
            yield replace(run, batch=batch, steps=seen // batch, lr=lr)
    yield replace(run, batch=128, steps=seen // 128, lr=4e-3, accumulate=4)


def _nuclei() -> Iterator[Run]:
    run = Run('nuclei', NUCLEI, 160, 600, 32, 1e-3)
    yield replace(run, steps=0)
    yield from _grid(run, {150: (5e-5, 1e-3), 600: (1e-3, )})
    yield replace(run, mask_patch=8)
    yield replace(run, smallest_crop=0.2)


def _edges(everything: Run, few: Run) -> Iterator[Run]:
    """Rates beyond the best of those above, until it is none of the last."""
    yield from _grid(replace(few, images=100), {600: (4e-3, 8e-3), 2400: (8e-3, ), 150: (4e-3, )})
    yield from _grid(everything, {2400: (1.6e-2, )})
    yield replace(everything, part='batch', batch=8, steps=2400, lr=5e-4)
    yield replace(everything, part='batch', batch=128, steps=150, lr=8e-3)
    yield from _grid(replace(everything, part='width', arch='wide'), {600: (5e-4, 2e-3)})
    yield from _grid(replace(everything, part='vit', arch='vit'), {300: (2e-3, 8e-3)})
    yield from _grid(Run('nuclei', NUCLEI, 160, 600, 32, 1e-3), {150: (5e-4, 2e-3, 4e-3), 600: (5e-4, 2e-3, 4e-3)})


def _nuclei_seeds() -> Iterator[Run]:
    run = Run('nuclei', NUCLEI, 160, 600, 32, 1e-3)
    yield from _grid(run, {2400: (1e-3, 2e-3)})
    for seed in (1, 2):
        yield from _grid(replace(run, seed=seed), {600: (5e-4, 1e-3, 2e-3)})
    yield from _grid(run, {2400: (5e-4, )})


def _seeds(everything: Run, few: Run) -> Iterator[Run]:
    """More seeds where the rule was read off."""
    for seed in (1, 2):
        yield from _grid(replace(everything, part='seeds', seed=seed), {600: (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)})
        yield from _grid(replace(everything, part='seeds', seed=seed), {2400: (2e-3, 4e-3, 8e-3)})
        yield from _grid(replace(replace(few, images=100), part='seeds', seed=seed), {600: (1e-3, 2e-3, 4e-3)})
        yield from _grid(replace(everything, part='seeds', arch='wide', seed=seed), {600: (5e-4, 1e-3, 2e-3)})


def _masks(run: Run) -> Iterator[Run]:
    for patch, ratio in ((8, 0.6), (32, 0.6)):
        yield replace(run, mask_patch=patch, mask_ratio=ratio)
