"""SimMIM: mask, encode, predict, compare."""

from collections.abc import Iterable
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..registry import MODELS
from .backbones.loading import below
from .colours import from_rgb, to_rgb
from .fitting import build_part, describe_target
from .foreign_names import convert_for

Samples = list[BaseDataElement] | BaseDataElement


@MODELS.register_module()
class SimMIM(BaseModel):
    """`SimMIM: A Simple Framework for Masked Image Modeling <https://arxiv.org/abs/2111.09886>`_.

    A part of each image is replaced by a learned mask token, and a light neck predicts the
    missing pixels from the encoder's last map.

    Args:
        backbone (dict): Encoder, called with (images, mask); gets its mask token here.
        neck (dict): Predicts from the last map. Where they are not said, its ``out_channels`` are those that the
            target needs, and its ``target_stride`` is the target's.
        head (dict): Its ``loss(prediction, target, mask)`` compares. Likewise it learns ``target_stride`` and
            ``num_classes`` of the target. A neck or a head that has no such arguments, as mmpretrain's, can serve
            RGB pixels.
        target_generator (dict, optional): Makes the target from the images, see
            :class:`mmsimmim.models.targets.Target`; where this can be shown, its ``restore(prediction, images)`` gives
            colours back. Defaults to None: the images themselves.
        data_preprocessor (dict, optional): Stacks, moves and normalises images. Defaults to mmpretrain's
            ``SelfSupDataPreprocessor``.
        init_cfg (dict, optional): MMEngine initialisation. Defaults to None.

    Raises:
        ValueError: If target, neck and head do not go together.
    """

    def __init__(self,
                 backbone: dict,
                 neck: dict,
                 head: dict,
                 target_generator: dict | None = None,
                 data_preprocessor: dict | nn.Module | None = None,
                 init_cfg: dict | None = None) -> None:
        if data_preprocessor is None or isinstance(data_preprocessor, dict):
            data_preprocessor = {'type': 'mmpretrain.SelfSupDataPreprocessor', **(data_preprocessor or {})}
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.backbone.add_mask_token()
        self.target_generator = MODELS.build(target_generator or dict(type='mmsimmim.PixelTarget'))
        stride, num_classes, out_channels = describe_target(self.target_generator, self.backbone.in_channels)
        self.neck = build_part('neck', neck, out_channels=out_channels, target_stride=stride)
        self.head = build_part('head', head, target_stride=stride, num_classes=num_classes)

    def forward(self,
                inputs: Tensor,
                data_samples: Samples | None = None,
                mode: str = 'tensor') -> tuple[Tensor, ...] | dict[str, Tensor] | list[BaseDataElement]:
        """MMEngine's entry to :meth:`extract_feat`, :meth:`loss` and :meth:`predict`.

        Args:
            inputs (Tensor): Normalised images, shape (B, C, H, W).
            data_samples (list[BaseDataElement] | BaseDataElement, optional): One per image, with its ``mask``, or one
                for all, with all masks (:class:`mmsimmim.datasets.MaskedBatch`).
            mode (str): ``'tensor'``, ``'loss'`` or ``'predict'``.

        Raises:
            ValueError: If the mode is none of these.
        """
        if mode == 'tensor':
            return self.extract_feat(inputs)
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        raise ValueError(f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}")

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Maps of whole images, nothing masked: (B, C, H, W) to the backbone's tuple of maps."""
        return self.backbone(inputs)

    def loss(self, inputs: Tensor, data_samples: Samples) -> dict[str, Tensor]:
        """One step of pre-training.

        Args:
            inputs (Tensor): Normalised images, shape (B, C, H, W).
            data_samples (list[BaseDataElement] | BaseDataElement): One per image, with ``mask`` of shape
                (H / p, W / p), 1 = masked, with p the patch size of the backbone; or one with (B, H / p, W / p).

        Returns:
            dict[str, Tensor]: ``loss``, a scalar.
        """
        return dict(loss=self.masked_loss(inputs, stack_masks(data_samples, inputs.device)))

    def masked_loss(self, images: Tensor, mask: Tensor) -> Tensor:
        """The same on tensors alone: images (B, C, H, W) and mask (B, H / p, W / p) to a scalar."""
        # The target first: its temporary memory is free again when the encoder's activations fill the memory.
        target, latent = self.target(images), self.encode(images, mask)
        if self.predicts_classes and hasattr(self.head, 'loss_in_parts'):
            return self.head.loss_in_parts(self.neck, latent, target, mask)
        return self.head.loss(self.neck(latent), target, mask)

    def reconstruct(self, images: Tensor, mask: Tensor) -> Tensor:
        """Encode the visible part and predict the target of the whole: (B, C, h, w)."""
        return self.neck(self.encode(images, mask))

    def encode(self, images: Tensor, mask: Tensor) -> Tensor:
        """The encoder's last map of masked images: (B, C, H, W) to (B, C', h, w)."""
        return self.backbone(images, mask)[-1]

    def target(self, images: Tensor) -> Tensor:
        """What is to be predicted of normalised images (B, C, H, W)."""
        return self.target_generator(self._as_target_sees(images))

    def to_colours(self, prediction: Tensor, images: Tensor) -> Tensor:
        """Convert a predicted target (B, C, h, w) to images.

        Args:
            prediction (Tensor): Shape (B, C, h, w).
            images (Tensor): The normalised images (B, C', H, W) that it was predicted of.

        Returns:
            Tensor: Shape (B, C', H, W), in normalised colours; the prediction itself where no image can be made of
            it.
        """
        restore = getattr(self.target_generator, 'restore', None)
        if restore is None:
            return prediction
        pictures = restore(prediction, self._as_target_sees(images))
        return from_rgb(pictures, self.data_preprocessor) if self._target_from_colours else pictures

    @property
    def predicts_classes(self) -> bool:
        """Whether the target has classes, and the prediction logits."""
        return getattr(self.target_generator, 'num_classes', None) is not None

    @property
    def makes_pictures(self) -> bool:
        """Whether a prediction can be shown: where the target can be restored to an image, or has its shape."""
        channels = self.backbone.in_channels
        as_image = describe_target(self.target_generator, channels) == (1, None, channels)
        return as_image or hasattr(self.target_generator, 'restore')

    @property
    def _target_from_colours(self) -> bool:
        return getattr(self.target_generator, 'from_colours', False)

    def _as_target_sees(self, images: Tensor) -> Tensor:
        return to_rgb(images, self.data_preprocessor) if self._target_from_colours else images

    @torch.no_grad()
    def predict(self,
                inputs: Tensor,
                data_samples: Samples,
                paste_visible: bool = False) -> list[BaseDataElement]:
        """Reconstruct images, and measure how well.

        Args:
            inputs (Tensor): Normalised images, shape (B, C, H, W).
            data_samples (list[BaseDataElement] | BaseDataElement): As for :meth:`loss`.
            paste_visible (bool): Put the visible pixels of the image back into the reconstruction. Defaults to False.

        Returns:
            list[BaseDataElement]: One per image, with ``reconstruction_loss``, the scalar loss of that image alone, and
            ``reconstruction``, shape (C, H, W), in normalised colours, where the target can be shown.
        """
        mask = stack_masks(data_samples, inputs.device)
        if isinstance(data_samples, BaseDataElement):
            data_samples = [BaseDataElement(mask=one) for one in mask]
        target = self.target(inputs)
        for i, (sample, pred) in enumerate(zip(data_samples, self._predict_each(inputs, mask))):
            one = slice(i, i + 1)
            sample.reconstruction_loss = self.head.loss(pred, target[one], mask[one])
            if self.makes_pictures:
                colours = self.to_colours(pred, inputs[one])[0]
                sample.reconstruction = paste(colours, inputs[i], mask[i]) if paste_visible else colours
        return data_samples

    def _predict_each(self, images: Tensor, mask: Tensor) -> Iterable[Tensor]:
        """The prediction of each image, (1, C, h, w); of classes one image at a time, to bound the memory of logits."""
        if self.predicts_classes:
            return map(self.neck, self.encode(images, mask).split(1))
        return self.reconstruct(images, mask).split(1)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        given = below(state_dict, prefix)
        converted = convert_for(self, given)
        if converted is not given:
            for name in given:
                del state_dict[prefix + name]
            state_dict.update({prefix + name: value for name, value in converted.items()})
        super()._load_from_state_dict(state_dict, prefix, *args)

    def get_layer_depth(self, param_name: str) -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning rates, see the backbone's method."""
        return self.backbone.get_layer_depth(param_name, 'backbone.')


def stack_masks(data_samples: Samples, device: torch.device) -> Tensor:
    """The masks of a batch on the device, shape (B, h, w).

    Args:
        data_samples (list[BaseDataElement] | BaseDataElement): One per image, or one that has the masks of all.
        device (torch.device): Where they are wanted.

    Raises:
        ValueError: If a sample has no mask.
    """
    samples = [data_samples] if isinstance(data_samples, BaseDataElement) else data_samples
    if not samples or not all('mask' in sample for sample in samples):
        raise ValueError('SimMIM needs a mask with every image: give mmsimmim.collate_masked a mask generator such as '
                         'mmsimmim.SimMIMMaskGenerator, or put one before PackInputs in the pipeline')
    if isinstance(data_samples, BaseDataElement):
        return data_samples.mask.to(device, non_blocking=True)
    return torch.stack([sample.mask for sample in data_samples]).to(device)


def paste(reconstruction: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Reconstruction where masked, image elsewhere.

    Args:
        reconstruction (Tensor): Shape (C, H, W).
        image (Tensor): Shape (C, H, W).
        mask (Tensor): Shape (h, w), 1 = masked; h and w divide H and W.

    Returns:
        Tensor: Shape (C, H, W), dtype of ``image``.
    """
    rows, cols = image.shape[1] // mask.shape[0], image.shape[2] // mask.shape[1]
    pixels = mask.repeat_interleave(rows, 0).repeat_interleave(cols, 1).bool()
    return torch.where(pixels, reconstruction.to(image.dtype), image)
