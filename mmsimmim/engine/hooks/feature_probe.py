"""Evaluation of frozen features during pre-training."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ...datasets.image_folder import IMAGE_SUFFIXES
from ...datasets.listing import list_files, list_folders
from ...datasets.seeding import isolated_random_state
from ...errors import UserError
from ...evaluation.features import extract_features, gather_in_order, without_masks
from ...evaluation.probes import probe_features
from ...models import SimMIM
from ...registry import HOOKS


@HOOKS.register_module()
class FeatureProbeHook(Hook):
    """Evaluate frozen features on a labelled folder at intervals, by kNN and a linear probe.

    Features are averages over one feature map of the encoder, of images without a mask. Both probes are fitted to those
    of the ``train`` images and measured on those of the ``val`` images: top-1 accuracy in percent, as ``probe/knn`` and
    ``probe/linear`` in the message hub and the visualizer, and as a line in the log.

    Training itself is the same with and without this hook: no weight, no running statistic, no mode of a module and no
    random number changes. The images are distributed over the processes; each ends with all features.

    They do not predict fine-tuning accuracy well: features of masked image modelling do poorly in linear probes and
    fine-tune well all the same. Use them to compare similar runs.

    Args:
        train (str | dict): Labelled images to fit to: a folder with one folder per class, read by
            :class:`mmsimmim.LabelledImageFolder`, or the config of that (its ``pipeline`` may be left out), or of
            another dataset whose samples have ``gt_label``.
        val (str | dict): Labelled images to classify, of the same classes.
        interval (int): Epochs or iterations between two measurements. Defaults to 10.
        by_epoch (bool): Whether the interval counts epochs. Defaults to True.
        at_start (bool): Also measure before the first step. Defaults to False.
        pipeline (Sequence[dict], optional): How to read the images of folders. Defaults to None: the pipeline of the
            validation set without its mask generator.
        out_index (int): Which of the encoder's outputs. Defaults to -1, the last.
        k (int): Neighbours, see :func:`mmsimmim.evaluation.knn_classify`. Defaults to 20.
        temperature (float): Of the neighbours' votes, likewise. Defaults to 0.07.
        weight_decay (float): Of the linear probe, see :func:`mmsimmim.evaluation.fit_linear_probe`. Defaults to 1e-3.
        batch_size (int): Images at a time on each process. Defaults to 64.
        num_workers (int): Processes that read images. Defaults to 0.
        seed (int): Fixes whatever the pipeline draws at random. Defaults to 0.

    Raises:
        UserError: From the constructor, if a number is out of range; at the start of training, if a folder is missing,
            has fewer than two classes or an empty one, the classes differ, there are fewer than ``k`` images, or the
            model is no :class:`mmsimmim.SimMIM`.

    Examples:
        >>> custom_hooks = [
        ...     dict(type='mmsimmim.FeatureProbeHook', train='data/flowers/train', val='data/flowers/val', interval=10)
        ... ]
    """

    def __init__(self,
                 train: str | dict,
                 val: str | dict,
                 interval: int = 10,
                 by_epoch: bool = True,
                 at_start: bool = False,
                 pipeline: Sequence[dict] | None = None,
                 out_index: int = -1,
                 k: int = 20,
                 temperature: float = 0.07,
                 weight_decay: float = 1e-3,
                 batch_size: int = 64,
                 num_workers: int = 0,
                 seed: int = 0) -> None:
        self.sources = dict(train=train, val=val)
        self.interval = interval
        self.by_epoch = by_epoch
        self.at_start = at_start
        self.pipeline = pipeline
        self.out_index = out_index
        self.k = k
        self.temperature = temperature
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self._check()

    def _check(self) -> None:
        for name in ('interval', 'k', 'batch_size'):
            if getattr(self, name) < 1:
                raise UserError(f'FeatureProbeHook: {name} must be at least 1, got {getattr(self, name)}.')
        for name in ('temperature', 'weight_decay'):
            if not getattr(self, name) > 0:
                raise UserError(f'FeatureProbeHook: {name} must be above 0, got {getattr(self, name)}.')

    def before_train(self, runner: Runner) -> None:
        """Open both sets, on every process, so that what is wrong with them stops every process."""
        if self.by_epoch and isinstance(runner.train_loop, IterBasedTrainLoop):
            raise UserError('FeatureProbeHook: this training loop counts iterations; set by_epoch=False and an '
                            'interval in iterations.')
        model = _unwrap(runner.model)
        if not isinstance(getattr(model, 'module', model), SimMIM):
            raise UserError('FeatureProbeHook probes the encoder of mmsimmim.SimMIM; this model is a '
                            f'{type(model).__module__}.{type(model).__name__}.')
        with isolated_random_state(self.seed):
            self._loaders = {side: self._open(runner, side) for side in ('train', 'val')}
        self._require_same_classes()
        size = len(self._loaders['train'].dataset)
        if size < self.k:
            raise UserError(f"FeatureProbeHook: {self.k} neighbours are asked for, but 'train' has {size} images: "
                            f'set k to {size} at most.')
        if self.at_start and runner.iter == 0:
            self._measure(runner, step=0)

    def after_train_epoch(self, runner: Runner) -> None:
        """Measure if the interval counts epochs and is over, and after the last epoch."""
        if self.by_epoch and (self.every_n_epochs(runner, self.interval) or self.is_last_train_epoch(runner)):
            self._measure(runner, step=runner.epoch + 1)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Measure if the interval counts iterations and is over, and after the last iteration."""
        if not self.by_epoch and (self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner)):
            self._measure(runner, step=runner.iter + 1)

    def _open(self, runner: Runner, side: str) -> torch.utils.data.DataLoader:
        source = self.sources[side]
        if isinstance(source, dict):
            dataset = dict(source)
            if dataset.get('type') == 'mmsimmim.LabelledImageFolder' and 'pipeline' not in dataset:
                dataset['pipeline'] = self._find_pipeline(runner)
        else:
            _check_folder(source, side)
            dataset = dict(type='mmsimmim.LabelledImageFolder', data_root=str(source),
                           pipeline=self._find_pipeline(runner))
        # The sampler deals the images out to the processes in turn; its indices carry what SeedSample asks for.
        return runner.build_dataloader(dict(
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            dataset=dataset,
            sampler=dict(type='mmsimmim.SeededSampler', shuffle=False),
            collate_fn=dict(type='default_collate')), seed=self.seed)

    def _find_pipeline(self, runner: Runner) -> list[dict]:
        if self.pipeline is not None:
            return list(self.pipeline)
        steps = ((runner.cfg.get('val_dataloader') or {}).get('dataset') or {}).get('pipeline')
        if not steps:
            raise UserError('FeatureProbeHook: there is no val_dataloader with a pipeline to read the images of '
                            'folders with. Give the hook one: pipeline=[dict(type=...), ...], without a mask '
                            'generator.')
        return without_masks(steps)

    def _require_same_classes(self) -> None:
        train, val = (loader.dataset for loader in self._loaders.values())
        labels = set(_labels(train))
        if len(labels) < 2:
            raise UserError(f"FeatureProbeHook: all images of 'train' have one label, {sorted(labels)}; to tell "
                            'classes apart there must be two at least.')
        names = [dataset.metainfo.get('classes') for dataset in (train, val)]
        if all(names) and list(names[0]) != list(names[1]):
            only = [sorted(set(names[i]) - set(names[1 - i])) for i in (0, 1)]
            raise UserError("FeatureProbeHook: 'train' and 'val' have other classes or another order of them; only in "
                            f"'train': {only[0]}, only in 'val': {only[1]}.")
        strange = set(_labels(val)) - labels
        if strange:
            raise UserError(f"FeatureProbeHook: 'val' has the labels {sorted(strange)}, of which 'train' has no image.")

    def _measure(self, runner: Runner, step: int) -> None:
        train, val = (self._features(runner, side) for side in ('train', 'val'))
        scores = probe_features(*train, *val, self.k, self.temperature, self.weight_decay)
        scores = {f'probe/{name}': score for name, score in scores.items()}
        runner.message_hub.update_scalars(scores)
        runner.visualizer.add_scalars(scores, step=step)
        runner.logger.info(f'Frozen features after {step} {"epochs" if self.by_epoch else "iterations"}: '
                           f'{scores["probe/knn"]:.2f} % by {self.k} nearest neighbours, '
                           f'{scores["probe/linear"]:.2f} % by a linear probe.')

    def _features(self, runner: Runner, side: str) -> tuple[Tensor, Tensor]:
        loader = self._loaders[side]
        model = _unwrap(runner.model)
        # Iterating over a data loader alone draws a random number.
        with isolated_random_state(self.seed):
            share = extract_features(model, getattr(model, 'module', model).data_preprocessor, loader, self.out_index)
        return tuple(gather_in_order(tensor, len(loader.dataset)) for tensor in share)


def _unwrap(model: nn.Module) -> nn.Module:
    """The model without DistributedDataParallel; other wrappers hold only a part of the weights and stay."""
    return model.module if isinstance(model, DistributedDataParallel) else model


def _check_folder(folder: str, side: str) -> None:
    if not os.path.isdir(folder):
        raise UserError(f'FeatureProbeHook: {side}={str(folder)!r} is no folder (working folder: {os.getcwd()}). Give '
                        'one with a folder per class.')
    classes = list_folders(folder)
    if len(classes) < 2:
        raise UserError(f'FeatureProbeHook: {side}={str(folder)!r} has {len(classes)} folder(s) of classes in it; to '
                        'tell classes apart there must be two at least.')
    empty = [name for name in classes if not any(list_files(os.path.join(folder, name), IMAGE_SUFFIXES))]
    if empty:
        raise UserError(f'FeatureProbeHook: {side}={str(folder)!r} has classes without images: {", ".join(empty)}. '
                        'Remove these folders, or fill them.')


def _labels(dataset: Any) -> list[int]:
    return [int(dataset.get_data_info(index)['gt_label']) for index in range(len(dataset))]
