"""What :func:`mmsimmim.load` returns for an encoder or a classifier: plain modules that take normalised images."""

from torch import Tensor, nn

from ..backbones.encoder import Encoder

FEATURES = ('maps', 'pooled', 'tokens')


class LoadedEncoder(nn.Module):
    """An encoder with pre-trained weights.

    Args:
        backbone (Encoder): :class:`mmsimmim.SwinTransformer`, ``SwinTransformerV2`` or ``VisionTransformer``.
        features (str): What is returned, see :func:`mmsimmim.load`.
    """

    def __init__(self, backbone: Encoder, features: str) -> None:
        super().__init__()
        self.backbone, self.features = backbone, features

    @property
    def num_features(self) -> int:
        """Channels of the last map, of pooled features and of tokens."""
        growth = self.backbone.out_indices[-1] if hasattr(self.backbone, 'depths') else 0
        return self.backbone.embed_dims * 2**growth

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Encode images.

        Args:
            images (Tensor): Normalised, shape (B, C, H, W), of any size.

        Returns:
            Tensor | tuple[Tensor, ...]: Maps, one per output, (B, C, h, w); pooled (B, C); or tokens (B, N, C), row by
            row, a ViT's class token first.
        """
        outs = self.backbone(images)
        if self.features == 'maps':
            return outs
        last = outs[-1]
        if self.features == 'pooled':
            return last.mean(dim=(2, 3)) if last.ndim == 4 else last
        return last.flatten(2).transpose(1, 2) if last.ndim == 4 else last


class LoadedClassifier(nn.Module):
    """An encoder and the linear layer on its pooled features.

    Args:
        encoder (LoadedEncoder): With pooled features.
        num_classes (int): Outputs.
        classes (tuple[str, ...]): Their names, if the file has them; else empty.
    """

    def __init__(self, encoder: LoadedEncoder, num_classes: int, classes: tuple[str, ...]) -> None:
        super().__init__()
        self.encoder, self.classes = encoder, classes
        self.fc = nn.Linear(encoder.num_features, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of normalised images: (B, C, H, W) to (B, num_classes)."""
        return self.fc(self.encoder(images))
