"""Evaluate the frozen features of a checkpoint on a labelled folder, by kNN and a linear probe.

The config may be one of pre-training or of fine-tuning; its backbone, normalisation and validation pipeline count. The
checkpoint may be any that `inspect_checkpoint.py` knows. DATA_DIR holds train/ and val/ with one folder per class.

    python -m mmsimmim probe_features \\
        configs/pretrain/simmim_swin-base-w6_16xb128-amp-steplr-800e_in1k-192px.py official.pth /data/flowers
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from ..errors import UserError, shown
from ..registry import MODELS
from .common.mistakes import report_mistakes
from .config.options import add_config_options

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import DataLoader


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of the pre-training or fine-tuning')
    parser.add_argument('checkpoint', help='a path or an address')
    parser.add_argument('data', metavar='DATA_DIR', help='folder with train/ and val/')
    parser.add_argument('--train', default='train', help='folder of the labelled images (default: %(default)s)')
    parser.add_argument('--val', default='val', help='folder of the images to classify (default: %(default)s)')
    parser.add_argument('--out-index', type=int, default=-1,
                        help="which of the backbone's outputs (default: the last); others than the config gives: "
                             '--cfg-options model.backbone.out_indices=7')
    parser.add_argument('--k', type=int, default=20, help='neighbours (default: %(default)s)')
    parser.add_argument('--temperature', type=float, default=0.07, help='of their votes (default: %(default)s)')
    parser.add_argument('--weight-decay', type=float, default=1e-3, help='of the linear probe (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=64, help='images at a time (default: %(default)s)')
    parser.add_argument('--num-workers', type=int, default=2, help='that read images (default: %(default)s)')
    parser.add_argument('--device', help='e.g. cpu or cuda:0 (default: a GPU if there is one)')
    add_config_options(parser, 'settings that replace those of the config')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from mmengine.device import get_device
    from mmengine.runner import load_checkpoint

    from ..evaluation import extract_features, probe_features
    from .config.loading import load_config

    MMLogger.get_current_instance().setLevel('WARNING')  # the output is two numbers
    cfg, messages = load_config(args, needed=('model', 'val_dataloader'))
    print(*messages, sep='\n', end='\n' if messages else '', file=sys.stderr)
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    loaders = [build_loader(cfg, args, side) for side in (args.train, args.val)]
    train, val = (loader.dataset for loader in loaders)
    if train.metainfo['classes'] != val.metainfo['classes']:
        raise UserError(f'{train.data_root} and {val.data_root} must have the same classes; they have '
                        f'{", ".join(map(shown, train.metainfo["classes"]))} and '
                        f'{", ".join(map(shown, val.metainfo["classes"]))}.')
    model = build_encoder(cfg).to(args.device or get_device())
    load_checkpoint(model, args.checkpoint, map_location='cpu', logger='silent')
    try:
        sides = [extract_features(model, model.data_preprocessor, loader, args.out_index) for loader in loaders]
        scores = probe_features(*sides[0], *sides[1], args.k, args.temperature, args.weight_decay)
    except ValueError as error:  # of the arguments
        raise UserError(str(error)) from error
    print(f'{len(val)} images of {len(val.metainfo["classes"])} classes, {len(train)} labelled ones, features of '
          f'{sides[0][0].shape[1]} numbers: {scores["knn"]:.2f} % by {args.k} nearest neighbours, '
          f'{scores["linear"]:.2f} % by a linear probe')


def build_loader(cfg: Config, args: argparse.Namespace, side: str) -> DataLoader:
    """A data loader of the labelled images of one folder, with the validation pipeline of the config."""
    from mmengine.runner import Runner

    from ..evaluation.features import without_masks

    return Runner.build_dataloader(dict(
        batch_size=args.batch_size,
        num_workers=args.num_workers,
        dataset=dict(
            type='mmsimmim.LabelledImageFolder', data_root=args.data, data_prefix=side,
            pipeline=without_masks(cfg.val_dataloader.dataset.pipeline)),
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate')))


def build_encoder(cfg: Config) -> nn.Module:
    """The backbone of the config, with its normalisation, as a model that gives maps."""
    backbone = {key: value for key, value in cfg.model.backbone.items() if key != 'init_cfg'}
    given = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    of_pretraining = str(cfg.model.type).endswith('SimMIM')
    default = 'mmpretrain.SelfSupDataPreprocessor' if of_pretraining else 'mmpretrain.ClsDataPreprocessor'
    return MODELS.build(dict(
        type='mmpretrain.ImageClassifier', backbone=backbone,
        data_preprocessor=MODELS.build({'type': default, **given})))

