"""One run of the sweep over sizes of data: MMEngine's Runner trains it, then the encoder is measured."""

import contextlib
import random
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image
from torch import Tensor

from mmsimmim.datasets.image_folder import IMAGE_SUFFIXES, list_files
from mmsimmim.evaluation.features import evaluation_mode, extract_features
from mmsimmim.evaluation.knn import knn_classify
from mmsimmim.evaluation.linear_probe import fit_linear_probe
from mmsimmim.registry import TRANSFORMS
from tools.benchmarks.study.sizes_runs import NUCLEI, PHOTOS, Run
from tools.benchmarks.transfer.transfer_configs import NORMALISATION, RUNTIME, LoadImageOnce

SIZE = 64
FOLDS = 5
# Of the loss that is reported, whatever a run was trained with.
REFERENCE_MASK = dict(type='mmsimmim.SimMIMMaskGenerator', input_size=SIZE, mask_patch_size=16, mask_ratio=0.6, seed=0)


def _swin(width: int) -> dict:
    arch = dict(embed_dims=width, depths=[1, 1, 4], num_heads=[width // 32, width // 16, width // 8])
    return dict(
        backbone=dict(type='mmsimmim.SwinTransformer', arch=arch, img_size=SIZE, window_size=4, out_indices=[2],
                      drop_path_rate=0.0),
        neck=dict(in_channels=4 * width, encoder_stride=16), head=dict(patch_size=4))


ENCODERS = {
    'swin': _swin(32),
    'wide': _swin(64),
    'vit': dict(
        backbone=dict(type='mmsimmim.VisionTransformer',
                      arch=dict(embed_dims=128, num_layers=4, num_heads=4, feedforward_channels=512), img_size=SIZE,
                      patch_size=8, drop_path_rate=0.0, layer_scale_init_value=0.1, use_abs_pos_emb=False,
                      use_rel_pos_bias=False, use_shared_rel_pos_bias=True, final_norm=True, out_type='featmap'),
        neck=dict(in_channels=128, encoder_stride=8), head=dict(patch_size=8)),
}


@TRANSFORMS.register_module()
class LoadImageOnceForAll(LoadImageOnce):
    """:class:`LoadImageOnce` that keeps the images for all datasets of the process, at no more than a short side."""

    everything: dict[str, dict] = {}

    def __init__(self, short_side: int | None = None) -> None:
        super().__init__()
        self.kept = self.everything
        self.resize = TRANSFORMS.build(dict(type='ResizeEdge', scale=short_side, edge='short', backend='pillow',
                                            interpolation='bilinear')) if short_side else None

    def read(self, path: str) -> dict:
        """What is kept of an image: ``img``, ``img_shape`` and ``ori_shape`` of :class:`mmsimmim.LoadImage`."""
        loaded = super().read(path)
        return self.resize(loaded) if self.resize else loaded


class Folders:
    """Where the images of a set are.

    Args:
        data (str): 'photos' or 'nuclei'.
        root (Path): Of clothing160 (``train`` and ``validation``, a folder per class) or of nuclei (``images`` and
            ``labels``, each with ``train`` and ``val``).
    """

    def __init__(self, data: str, root: Path) -> None:
        self.data = data
        self.train, self.val = (root / 'train', root / 'validation') if data == PHOTOS else (
            root / 'images' / 'train', root / 'images' / 'val')
        self.labels = root / 'labels'


def run_config(run: Run, folders: Folders, chosen: Path, work_dir: Path) -> Config:
    """The config of a run.

    Args:
        run (Run): Which.
        folders (Folders): Of its images.
        chosen (Path): List of its training images.
        work_dir (Path): For what the Runner writes.

    Returns:
        Config: To be given to MMEngine's Runner.
    """
    parts = ENCODERS[run.arch]
    patch = parts['head']['patch_size']
    mask = dict(REFERENCE_MASK, model_patch_size=patch, mask_patch_size=run.mask_patch, mask_ratio=run.mask_ratio)
    mask.pop('seed')
    cfg = Config.fromfile(RUNTIME)
    cfg.default_hooks = dict(runtime_info=dict(type='mmsimmim.RuntimeInfoHook'), timer=dict(type='IterTimerHook'),
                             param_scheduler=dict(type='ParamSchedulerHook'), logger=None, checkpoint=None,
                             sampler_seed=None, finite=dict(type='mmsimmim.FiniteHook', max_bad_steps=10))
    cfg.merge_from_dict(dict(
        model=dict(
            type='mmsimmim.SimMIM', backbone=parts['backbone'],
            neck=dict(type='mmsimmim.SimMIMLinearDecoder', **parts['neck']),
            head=dict(type='mmsimmim.SimMIMHead',
                      loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L1'), **parts['head']),
            data_preprocessor=dict(**NORMALISATION, bgr_to_rgb=True)),
        train_dataloader=_loader(
            run.batch // run.accumulate, dict(type='mmsimmim.SeededInfiniteSampler'),
            dict(type='mmsimmim.collate_masked', mask=mask),
            dict(type='mmsimmim.ImageFolder', data_root=str(folders.train), list_file=str(chosen),
                 pipeline=_crops(run.smallest_crop))),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=run.steps * run.accumulate, val_interval=10**9),
        val_dataloader=held_out(folders.val, patch), val_cfg=dict(),
        val_evaluator=dict(type='mmsimmim.ReconstructionLoss'),
        optim_wrapper=dict(
            type='AmpOptimWrapper', dtype='bfloat16', loss_scale=1.0, clip_grad=dict(max_norm=5.0),
            accumulative_counts=run.accumulate,
            optimizer=dict(type='AdamW', lr=run.lr, betas=(0.9, 0.999), weight_decay=0.05, fused=True),
            paramwise_cfg=dict(flat_decay_mult=0.0, custom_keys=dict(mask_token=dict(decay_mult=0.0)))),
        param_scheduler=dict(type='mmsimmim.WarmupCosineLR', warmup=run.steps * run.accumulate // 10,
                             warmup_ratio=1e-6 / 2e-4, min_ratio=1e-5 / 2e-4, by_epoch=False),
        visualizer=dict(vis_backends=[dict(type='LocalVisBackend')]),
        randomness=dict(seed=run.seed), work_dir=str(work_dir), log_level='ERROR', experiment_name=work_dir.name))
    return cfg


def held_out(folder: Path, patch: int, chosen: Path | None = None) -> dict:
    """A data loader of whole images, each always with the same mask."""
    mask = dict(REFERENCE_MASK, model_patch_size=patch)
    which = dict(list_file=str(chosen)) if chosen else {}
    return _loader(64, dict(type='DefaultSampler', shuffle=False), dict(type='default_collate'), dict(
        type='mmsimmim.ImageFolder', data_root=str(folder), pipeline=[*_whole(SIZE), mask, dict(type='PackInputs')],
        **which))


def _crops(smallest: float) -> list[dict]:
    return [dict(type='mmsimmim.SeedSample'), dict(type='mmsimmim.LoadImageOnceForAll'),
            dict(type='RandomResizedCrop', scale=SIZE, crop_ratio_range=(smallest, 1.0), backend='pillow',
                 interpolation='bilinear'),
            dict(type='RandomFlip', prob=0.5), dict(type='mmsimmim.PackImage')]


def _whole(size: int) -> list[dict]:
    return [dict(type='mmsimmim.LoadImageOnceForAll'),
            dict(type='ResizeEdge', scale=size, edge='short', backend='pillow', interpolation='bilinear'),
            dict(type='CenterCrop', crop_size=size)]


def _loader(batch_size: int, sampler: dict, collate: dict, dataset: dict) -> dict:
    return dict(batch_size=batch_size, num_workers=0, persistent_workers=False, sampler=sampler, collate_fn=collate,
                dataset=dataset)


def train_and_measure(run: Run, root: Path, work_dir: Path) -> dict:
    """Run it.

    Args:
        run (Run): Which.
        root (Path): Folder of its set.
        work_dir (Path): For the list of its images and what the Runner writes.

    Returns:
        dict: The run's settings; ``held_out_loss`` and ``training_loss``, masked L1 of whole images with the reference
        mask; of photographs ``knn`` and ``linear`` (fitted to the training images, on the validation images) and
        ``crossed`` (a linear probe of all images, each classified by the probe of the four fifths without it), top-1
        in percent, and ``crossed_unseen``, the same of the validation images alone; of nuclei ``share_r2``, of a
        linear prediction of each token's share of nuclei, in percent; ``seconds`` of training and
        ``images_per_second``.
    """
    folders = Folders(run.data, root)
    chosen = _choose_images(run, folders.train, work_dir)
    runner = Runner.from_cfg(run_config(run, folders, chosen, work_dir))
    runner.model.init_weights()
    begin = time.time()
    if run.steps:
        runner.train()
    seconds = time.time() - begin
    measured = dict(held_out_loss=runner.val()['reconstruction/masked_loss'],
                    training_loss=_loss_on(runner, folders.train, run, chosen))
    measured |= _share_of_nuclei(runner, folders) if run.data == NUCLEI else _probes(runner, folders)
    with contextlib.suppress(AttributeError):
        for handler in list(runner.logger.handlers):
            runner.logger.removeHandler(handler)
            handler.close()
    return dict(asdict(run), **measured, seconds=seconds,
                images_per_second=run.steps * run.batch / seconds if run.steps else None)


def _choose_images(run: Run, train: Path, work_dir: Path) -> Path:
    paths = sorted(str(path) for path in list_files(train, IMAGE_SUFFIXES))
    chosen = random.Random(f'images {run.seed}').sample(paths, min(run.images, len(paths)))
    work_dir.mkdir(parents=True, exist_ok=True)
    path = work_dir / f'{run.data}_{run.images}_{run.seed}.txt'
    path.write_text('\n'.join(chosen) + '\n')
    return path


@torch.no_grad()
def _loss_on(runner: Runner, folder: Path, run: Run, chosen: Path) -> float:
    loader = runner.build_dataloader(held_out(folder, ENCODERS[run.arch]['head']['patch_size'], chosen))
    losses = []
    with evaluation_mode(runner.model):
        for number, batch in enumerate(loader):
            samples = runner.model.val_step(batch)
            losses += [float(sample.reconstruction_loss) for sample in samples]
            if number == 4:
                break
    return float(np.mean(losses))


def _probes(runner: Runner, folders: Folders) -> dict:
    sides = {side: _features(runner, folder) for side, folder in (('train', folders.train), ('val', folders.val))}
    (features, labels), (val_features, val_labels) = sides['train'], sides['val']
    classes = int(labels.max()) + 1
    linear = fit_linear_probe(features, labels, classes).classify(val_features)
    right = _crossed(torch.cat([features, val_features]), torch.cat([labels, val_labels]), classes)
    found = dict(knn=knn_classify(features, labels, val_features) == val_labels, linear=linear == val_labels,
                 crossed=right, crossed_unseen=right[len(labels):])
    return {name: 100 * hits.double().mean().item() for name, hits in found.items()}


def _crossed(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    fold = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0)) % FOLDS
    right = torch.zeros(len(labels), dtype=torch.bool)
    for number in range(FOLDS):
        out = fold == number
        probe = fit_linear_probe(features[~out], labels[~out], classes)
        right[out] = probe.classify(features[out]) == labels[out]
    return right


def _features(runner: Runner, folder: Path) -> tuple[Tensor, Tensor]:
    loader = runner.build_dataloader(_loader(
        64, dict(type='DefaultSampler', shuffle=False), dict(type='default_collate'),
        dict(type='mmsimmim.LabelledImageFolder', data_root=str(folder),
             pipeline=[*_whole(SIZE), dict(type='PackInputs')])))
    return extract_features(runner.model, runner.model.data_preprocessor, loader)


def _share_of_nuclei(runner: Runner, folders: Folders) -> dict:
    """How much of the variance of the tokens' shares of nuclei their features predict, on held-out images."""
    (features, shares), (val_features, val_shares) = (_tokens(runner, folders, side) for side in ('train', 'val'))
    mean, scale = features.mean(0), features.std(0)
    inputs, val_inputs = ((some - mean) / scale for some in (features, val_features))
    gram = inputs.T @ inputs + 1e-3 * len(inputs) * torch.eye(inputs.shape[1], dtype=inputs.dtype)
    weight = torch.linalg.solve(gram, inputs.T @ (shares - shares.mean()))
    residual = val_inputs @ weight + shares.mean() - val_shares
    return dict(share_r2=100 * (1 - residual.square().mean() / val_shares.var(correction=0)).item())


@torch.no_grad()
def _tokens(runner: Runner, folders: Folders, side: str) -> tuple[Tensor, Tensor]:
    """Features of all tokens of the images at 128 px, and the share of each that is nucleus, both float64."""
    folder = folders.train if side == 'train' else folders.val
    loader = runner.build_dataloader(_loader(
        64, dict(type='DefaultSampler', shuffle=False), dict(type='default_collate'),
        dict(type='mmsimmim.ImageFolder', data_root=str(folder), pipeline=[*_whole(128), dict(type='PackInputs')])))
    features, shares = [], []
    with evaluation_mode(runner.model):
        for batch in loader:
            data = runner.model.data_preprocessor(batch, False)
            maps = runner.model(data['inputs'], mode='tensor')[-1]
            features.append(maps.permute(0, 2, 3, 1).flatten(0, 2).double())
            shares += [_shares(folders.labels / side / Path(sample.img_path).name, maps.shape[-1])
                       for sample in data['data_samples']]
    return torch.cat(features), torch.cat(shares)


def _shares(path: Path, side: int) -> Tensor:
    label = Image.open(path)
    scale = 128 / min(label.size)
    label = label.resize([round(edge * scale) for edge in label.size], Image.Resampling.NEAREST)
    left, top = ((edge - 128) // 2 for edge in label.size)
    nucleus = torch.from_numpy(np.asarray(label)[top:top + 128, left:left + 128] > 0).double()
    return nucleus.unflatten(0, (side, -1)).unflatten(2, (side, -1)).mean(dim=(1, 3)).flatten()
