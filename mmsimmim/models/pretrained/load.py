"""``mmsimmim.load``: a module with weights from a checkpoint alone."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...checkpoints import Contents, convert_state_dict, read_checkpoint, recognise, state_dict_of
from ...checkpoints.report import describe
from ...checkpoints.sizes import CLASSES
from ...errors import UserError
from ...registry import MODELS
from ..backbones.encoder import Encoder, loading_silently
from ..backbones.loading import below, first_not_finite, shorten
from .modules import FEATURES, LoadedClassifier, LoadedEncoder
from .notes import Notes, read_notes
from .preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from .settings import encoder_settings
from .simmim import simmim_settings

KINDS = ('encoder', 'simmim', 'classifier')


class File(NamedTuple):
    """What a checkpoint holds: the parameters under its names and under ours, what they are, and what else it says."""

    path: str
    weights: dict[str, Tensor]
    ours: dict[str, Tensor]
    contents: Contents
    notes: Notes


def load(path: str,
         kind: str = 'encoder',
         features: str = 'maps',
         img_size: int | Sequence[int] | str | None = None,
         window_size: int | Sequence[int] | None = None,
         device: str | torch.device = 'cpu',
         dtype: torch.dtype | None = None,
         mean: Sequence[float] | None = None,
         std: Sequence[float] | None = None,
         ema: bool = False,
         target_generator: dict | None = None,
         **settings: Any) -> nn.Module:
    """Load a model from a checkpoint alone, in evaluation mode.

    Code base, architecture, windows and image size are told from the file: official SimMIM, Swin and Swin V2, BEiT,
    OpenMMLab's classifiers, detectors and segmentors, timm, Hugging Face, DeepSpeed, and those of this package. What a
    file does not tell is refused, or assumed and said in ``report``.

    Args:
        path (str): The checkpoint.
        kind (str): ``'encoder'``; ``'simmim'`` for the :class:`mmsimmim.SimMIM` of a pre-training, decoder included;
            or ``'classifier'`` for logits (B, classes).
        features (str): What an encoder returns of images (B, C, H, W): ``'maps'``, a tuple of (B, C, h, w), one for
            each stage that has an output norm in the file; ``'pooled'``, (B, C), what a classifier sees: the average
            of the last map, or a ViT's class token if the file's classifier takes that; ``'tokens'``, (B, N, C).
        img_size (int | Sequence[int] | str, optional): Pixels of the images that windows and tables are for, see
            :class:`mmsimmim.SwinTransformer`; ``'any'`` for a Swin as in detection. Images of any size are accepted
            either way. Defaults to None: as in the file.
        window_size (int | Sequence[int], optional): Other windows, for which tables are resized. Defaults to None: as
            in the file.
        device (str | torch.device): Defaults to ``'cpu'``.
        dtype (torch.dtype, optional): Defaults to None: float32.
        mean (Sequence[float], optional): Of the channels, for images of 0 to 255. Defaults to None, like ``std``: as
            in the file, or ImageNet's.
        std (Sequence[float], optional): Likewise.
        ema (bool): Take the running average of the parameters in the file. Defaults to False.
        target_generator (dict, optional): Of a SimMIM whose file does not tell its target. Defaults to None.
        **settings: Other arguments of the encoder's class, such as ``out_indices=(0, 1, 2, 3)`` or ``arch``.

    Returns:
        nn.Module: With the attributes ``preprocess`` (callable, from PIL images, arrays and tensors to its input),
        ``contents`` (:class:`mmsimmim.checkpoints.Contents`), ``settings`` (arguments of the encoder) and ``report``
        (str, what was loaded and what was assumed).

    Raises:
        UserError: (a ValueError) If the file cannot be read or holds no such model, something cannot be told from it,
            or parameters are missing or do not fit.

    Examples:
        >>> encoder = mmsimmim.load('simmim_pretrain__swin_base__img192_window6__800ep.pth', features='pooled')
        >>> encoder(encoder.preprocess(Image.open('cat.jpg'))).shape
        torch.Size([1, 1024])
    """
    if kind not in KINDS:
        raise UserError(f'kind={kind!r}: it must be one of {", ".join(KINDS)}.')
    if features not in FEATURES:
        raise UserError(f'features={features!r}: it must be one of {", ".join(FEATURES)}.')
    if 'out_type' in settings:
        raise UserError('out_type follows from features=; leave it out.')
    file = read_file(path, ema)
    try:
        given = dict(settings, img_size=img_size, window_size=window_size)
        names = list(below(file.ours, 'backbone.'))
        own, assumed = encoder_settings(file.contents, file.weights, names, file.notes, given)
        make = dict(encoder=_encoder, simmim=_simmim, classifier=_classifier)[kind]
        choice = target_generator if kind == 'simmim' else features
        model, said = make(file, own, choice, dtype or torch.float32)
    except ValueError as error:
        raise UserError(f'{path}: {str(error).rstrip(".")}.') from error
    model.eval()
    _move(model, device)
    model.contents, model.settings = file.contents, own
    model.preprocess = _preprocess(model, file.notes, own, mean, std)
    assumed.append(f'Mean and deviation of the colours: {model.preprocess.source}')
    bad = first_not_finite(file.ours)
    assumed += [f'There are values that are infinite or no numbers, first in {bad}'] if bad else []
    model.report = '. '.join([f'{path}: {describe(file.contents)}', said, *assumed]) + '.'
    return model


def read_file(path: str, ema: bool = False) -> File:
    """Read a checkpoint, and tell what it holds.

    Args:
        path (str): The file.
        ema (bool): Take the running average of the parameters in it. Defaults to False.

    Raises:
        UserError: It cannot be read, or holds no supported encoder.
    """
    checkpoint: Mapping[str, Any] = read_checkpoint(path)
    try:
        weights = state_dict_of(checkpoint, ema)
        contents = recognise(weights)
        ours = convert_state_dict(weights, to='mmsimmim')
    except ValueError as error:
        raise UserError(f'{path}: {error}') from error
    return File(path, weights, ours, contents, read_notes(path, checkpoint, contents))


def _encoder(file: File, settings: dict[str, Any], features: str, dtype: torch.dtype) -> tuple[nn.Module, str]:
    out_type = {} if file.contents.encoder != 'vit' else dict(out_type=_out_type(file, features))
    encoder: Encoder = _build(dict(type=f'mmsimmim.{CLASSES[file.contents.encoder]}', **settings, **out_type)).to(dtype)
    weights = below(file.ours, 'backbone.')
    report = encoder.compare(weights)
    lacking = [name for name in report.missing if name.startswith(encoder.required_parts)]
    if lacking:
        raise UserError(f'{len(lacking)} parameters of the encoder are missing, such as {shorten(lacking[:3])}: the '
                        'file is incomplete, or of another network')
    with loading_silently(encoder):
        encoder.load_state_dict(weights, strict=False)
    return LoadedEncoder(encoder, features), str(report)


def _out_type(file: File, features: str) -> str:
    """Of a ViT. Its classifier stands on averaged patches with a norm of their own, or on the class token."""
    if features != 'pooled':
        return dict(maps='featmap', tokens='raw')[features]
    if 'backbone.ln2.weight' in file.ours:
        return 'avg_featmap'
    of_token = file.contents.num_classes is not None and 'backbone.cls_token' in file.ours
    return 'cls_token' if of_token else 'featmap'


def _classifier(file: File, settings: dict[str, Any], _: str, dtype: torch.dtype) -> tuple[nn.Module, str]:
    if file.contents.num_classes is None:
        raise UserError(f"it holds no classifier, but {file.contents.title}. Load it with kind='encoder'")
    encoder, said = _encoder(file, settings, 'pooled', dtype)
    names = file.notes.classes if len(file.notes.classes) == file.contents.num_classes else ()
    model = LoadedClassifier(encoder, file.contents.num_classes, names).to(dtype)
    head = below(file.ours, 'head.fc.')
    _require_same(model.fc, head, 'classifier')
    model.fc.load_state_dict(head)
    return model, said


def _simmim(file: File, settings: dict[str, Any], target: dict | None,
            dtype: torch.dtype) -> tuple[nn.Module, str]:
    model = _build(simmim_settings(file.contents, file.notes, file.ours, settings, target)).to(dtype)
    whole = file.ours if file.contents.family != 'mmsimmim' else file.weights
    rest = {name: value for name, value in whole.items() if not name.startswith('data_preprocessor.')}
    report = model.backbone.compare(below(rest, 'backbone.'))
    with loading_silently(model):
        missing, unexpected = model.load_state_dict(rest, strict=False)
    if missing:
        raise UserError(f'{len(missing)} parameters of the SimMIM are missing, such as {shorten(missing[:3])}')
    return model, str(report)


def _require_same(layer: nn.Module, given: dict[str, Tensor], what: str) -> None:
    own = {name: tuple(value.shape) for name, value in layer.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in given.items()}
    if own != found:
        raise UserError(f'the {what} has the shapes {found}, but the encoder needs {own}')


def _build(config: dict[str, Any]) -> nn.Module:
    try:
        return MODELS.build(config)
    except (TypeError, ValueError) as error:
        raise UserError(str(error)) from error


def _move(model: nn.Module, device: str | torch.device) -> None:
    try:
        model.to(device)
    except (AssertionError, RuntimeError) as error:
        raise UserError(f'The device {device} cannot be used: {str(error).splitlines()[0]}') from error


def _preprocess(model: nn.Module, notes: Notes, settings: dict[str, Any], mean: Sequence[float] | None,
                std: Sequence[float] | None) -> Preprocess:
    channels, source = settings['in_channels'], 'given'
    if mean is None or std is None:
        mean, std, source = notes.mean, notes.std, 'as in the file'
    if (mean is None or std is None) and channels == 3:
        mean, std, source = IMAGENET_MEAN, IMAGENET_STD, "ImageNet's, as the file has none"
    for name, values in (('mean', mean), ('std', std)):
        if values is not None and len(values) not in (1, channels):
            raise UserError(f'{name} {values} must have one number for each of {channels} channels.')
    size = settings['img_size']
    size = (size, size) if isinstance(size, int) else size and tuple(size)
    return Preprocess(model, size, mean, std, notes.bgr, channels, source)
