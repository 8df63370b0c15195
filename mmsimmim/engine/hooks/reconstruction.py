"""Visualization of reconstructions during training."""

from collections.abc import Sequence

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner

from ...datasets.seeding import SampleIndex, isolated_random_state
from ...errors import UserError
from ...models import SimMIM
from ...registry import HOOKS
from ...visualization.pictures import PictureLoader
from ...visualization.reconstruction import draw_sheet, reconstruct, require_pixel_model, side_multiple
from ..fsdp import is_sharded


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Draw reconstructions of the same few images with the same masks at intervals.

    Each image goes to the runner's visualizer: ``LocalVisBackend`` writes ``vis_data/vis_image/<name>_<step>.png``,
    ``TensorboardVisBackend`` an image with a slider over the steps. There is always one at the end of training.

    The images are read once, before training. Training itself is the same with and without this hook: neither the
    state of the random number generators nor the mode of any module changes. Weights are used as they are, in their
    own precision.

    Args:
        interval (int): Epochs or iterations between two drawings. Defaults to 1.
        by_epoch (bool): Whether the interval counts epochs. Defaults to True.
        num_images (int): How many images of the validation set to show, the first ones. Defaults to 4.
        indices (Sequence[int], optional): Which images of the validation set to show instead. Defaults to None.
        images (Sequence[str], optional): Files to show instead of the validation set, whole and of any size, see
            :class:`mmsimmim.visualization.PictureLoader`. Defaults to None.
        seed (int): Fixes whatever the validation pipeline draws at random, and the masks of ``images``.
            Defaults to 0.
        channels (Sequence[int], optional): Which channels are red, green and blue, see
            :func:`mmsimmim.visualization.to_display`. Defaults to None.
        name (str): Name of the image. Defaults to 'reconstruction'.

    Raises:
        UserError: From the constructor, if arguments contradict each other; at the start of training, if there is
            nothing to show, or the model does not predict colours.

    Examples:
        >>> custom_hooks = [dict(type='mmsimmim.ReconstructionHook', interval=10)]
    """

    def __init__(self,
                 interval: int = 1,
                 by_epoch: bool = True,
                 num_images: int = 4,
                 indices: Sequence[int] | None = None,
                 images: Sequence[str] | None = None,
                 seed: int = 0,
                 channels: Sequence[int] | None = None,
                 name: str = 'reconstruction') -> None:
        self.interval = interval
        self.by_epoch = by_epoch
        self.num_images = num_images
        self.indices = indices
        self.images = [images] if isinstance(images, str) else images
        self.seed = seed
        self.channels = channels
        self.name = name
        self._check()

    def _check(self) -> None:
        if self.interval < 1 or self.num_images < 1:
            raise UserError(f'ReconstructionHook: interval and num_images must be at least 1, got {self.interval} and '
                            f'{self.num_images}.')
        if self.images is not None and self.indices is not None:
            raise UserError('ReconstructionHook: give either images or indices of the validation set, not both.')
        if not (self.images is None or self.images) or not (self.indices is None or self.indices):
            raise UserError('ReconstructionHook: the list of images or indices is empty, so there is nothing to show.')
        if '/' in self.name:
            raise UserError(f'ReconstructionHook: the name {self.name!r} must do as a file name, without a slash.')

    def before_train(self, runner: Runner) -> None:
        """Read the images, on every process, so that what is wrong with them stops every process."""
        if self.by_epoch and isinstance(runner.train_loop, IterBasedTrainLoop):
            raise UserError('ReconstructionHook: this training loop counts iterations; set by_epoch=False and an '
                            'interval in iterations.')
        try:
            model = _unwrap(runner)
        except UserError as error:
            raise UserError(f'ReconstructionHook: {error} Leave it out (default_hooks.reconstruction=None where it is '
                            'one of the default hooks).') from error
        self._last_step = None
        with isolated_random_state(self.seed):
            self._batches = self._read_files(runner, model) if self.images else self._read_validation_set(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """Draw if the interval counts epochs and is over."""
        if self.by_epoch and self.every_n_epochs(runner, self.interval):
            self._draw(runner, step=runner.epoch + 1)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Draw if the interval counts iterations and is over."""
        if not self.by_epoch and self.every_n_train_iters(runner, self.interval):
            self._draw(runner, step=runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Draw the last state, unless it was drawn just now."""
        step = runner.epoch if self.by_epoch else runner.iter
        if step != self._last_step:
            self._draw(runner, step)

    def _read_files(self, runner: Runner, model: SimMIM) -> list[dict]:
        loader = PictureLoader(runner.cfg, side_multiple(model), seed=self.seed)
        return [loader(path, index) for index, path in enumerate(self.images)]

    def _read_validation_set(self, runner: Runner) -> list[dict]:
        if runner.val_loop is None:
            raise UserError('ReconstructionHook: there is no validation set to show images of. Set val_dataloader, '
                            "val_cfg and val_evaluator, give the hook files, images=['a.jpg', 'b.jpg'], or leave it "
                            'out (default_hooks.reconstruction=None where it is one of the default hooks).')
        loader = runner.val_dataloader
        indices = self.indices or range(min(self.num_images, len(loader.dataset)))
        if not all(0 <= index < len(loader.dataset) for index in indices):
            raise UserError(f'ReconstructionHook: indices {list(indices)} must lie between 0 and '
                            f'{len(loader.dataset) - 1}, as the validation set has {len(loader.dataset)} images.')
        # A plain int to all but SeedSample, which asks for the key.
        samples = [loader.dataset[SampleIndex(index, key=(self.seed, 0, index))] for index in indices]
        return [loader.collate_fn([sample]) for sample in samples]

    def _draw(self, runner: Runner, step: int) -> None:
        model = _unwrap(runner)
        if not is_main_process() and not is_sharded(model):
            return
        reconstructions = [one for batch in self._batches for one in reconstruct(model, batch)]
        if is_main_process():
            sheet = draw_sheet(reconstructions, model.data_preprocessor, self.channels)
            runner.visualizer.add_image(self.name, sheet, step)
        self._last_step = step


def _unwrap(runner: Runner) -> SimMIM:
    # Not through the wrapper: its forward waits for the other processes, which do not draw.
    return require_pixel_model(runner.model.module if is_model_wrapper(runner.model) else runner.model)
