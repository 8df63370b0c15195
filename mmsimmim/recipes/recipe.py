"""What a recipe is."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """A pre-training, sized to its images.

    Attributes:
        num_images (int): Training images.
        img_size (int): Side of a crop, pixels.
        window_size (int | None): Of a Swin, tokens.
        mask_patch_size (int): Side of a masked patch, pixels.
        mask_ratio (float): Share of the patches that is masked.
        crop_ratio_range (tuple[float, float]): Share of an image's area that a crop has, smallest and largest.
        batch_size (int): Images of a step: ``device_batch * accumulation`` of each device.
        device_batch (int): Images of an iteration on each device, ``train_dataloader.batch_size``.
        accumulation (int): Iterations of a step, ``optim_wrapper.accumulative_counts``.
        steps (int): Steps of the optimizer.
        lr (float): Peak learning rate for this batch, not to be scaled again.
        schedule (str): 'cosine' or 'step'.
        warmup (int): Steps of warm-up.
        warmup_ratio (float): First learning rate over the peak.
        min_ratio (float): Last one of the cosine over the peak.
        milestone (int | None): Step after which the rate of a 'step' schedule is a tenth.
        weight_decay (float): Of AdamW, betas 0.9 and 0.999.
        clip_grad (float): Largest norm of the gradient.
        drop_path_rate (float): Of the encoder.
        precision (str): 'bf16', 'fp16' or 'fp32'.
        seconds (float | None): How long it takes, where the speed is known.
        reasons (tuple[str, str, str]): What was chosen and why: images and masks; length and batch; rate.
        warnings (tuple[str, ...]): Why it may not work, a sentence or two each.
    """

    num_images: int
    img_size: int
    window_size: int | None
    mask_patch_size: int
    mask_ratio: float
    crop_ratio_range: tuple[float, float]
    batch_size: int
    device_batch: int
    accumulation: int
    steps: int
    lr: float
    schedule: str
    warmup: int
    warmup_ratio: float
    min_ratio: float
    milestone: int | None
    weight_decay: float
    clip_grad: float
    drop_path_rate: float
    precision: str
    seconds: float | None
    reasons: tuple[str, str, str]
    warnings: tuple[str, ...]

    @property
    def epochs(self) -> float:
        """How often each image is seen, where the few that do not fill a batch are left out of an epoch."""
        batches = self.num_images // self.batch_size
        return self.steps / batches if batches >= 100 else self.images_seen / self.num_images

    @property
    def images_seen(self) -> int:
        """Crops in all steps."""
        return self.steps * self.batch_size

    @property
    def max_iters(self) -> int:
        """Iterations of MMEngine's loop, which counts the parts of a step."""
        return self.steps * self.accumulation

    @property
    def warmup_iters(self) -> int:
        """Iterations of warm-up."""
        return self.warmup * self.accumulation

    @property
    def milestone_iters(self) -> int | None:
        """Iterations before the rate falls to a tenth."""
        return None if self.milestone is None else self.milestone * self.accumulation

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return dict(asdict(self), epochs=self.epochs, images_seen=self.images_seen, max_iters=self.max_iters)
