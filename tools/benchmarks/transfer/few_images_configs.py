"""Configs of the benchmark of few images: both pre-trainings, and the trainings with labels."""

from pathlib import Path

from mmengine.config import Config
from PIL import Image

from mmsimmim.architectures import SWIN
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.commands.pretraining.architectures import architecture
from mmsimmim.commands.pretraining.choose import options_of
from mmsimmim.recipes import Machine, choose_recipe
from mmsimmim.recipes.speed import SHARE_OF_TRAINING
from mmsimmim.registry import DATASETS
from tools.benchmarks.transfer.few_images_presets import WINDOW, Preset
from tools.benchmarks.transfer.transfer_configs import NORMALISATION

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
FOLDER = 'pretrain/simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py'
# Three times those of the demo.
STEPS_OF_TREES = 420
TREES = 'demo/atss_swin-demo-w8_fpn_1xb2-140i_trees-256px.py'


def recipe_config(preset: Preset, images: Path, work_dir: Path, seed: int, rate: float, seconds: float) -> Config:
    """The config that ``mmsimmim pretrain`` writes, on one core.

    Args:
        preset (Preset): The size.
        images (Path): The training images.
        work_dir (Path): For logs and the checkpoint.
        seed (int): Of everything.
        rate (float): Images per second that it trains on.
        seconds (float): What it may take.
    """
    encoder = architecture(f'swin-{preset.arch}')
    dataset = DATASETS.build(dict(type='mmsimmim.ImageFolder', data_root=str(images), split='train'))
    machine = Machine('cpu', images_per_second=rate)
    sizes = [_size(images / dataset.name_of(number)) for number in range(len(dataset))]
    # Neither arm validates or draws pictures, for which a recipe leaves time.
    hours = seconds / SHARE_OF_TRAINING / 3600
    recipe = choose_recipe(len(dataset), sizes, encoder.encoder, machine, hours=hours)
    return _pretraining(encoder.config, options_of(recipe, encoder), images, work_dir, seed)


def folder_config(preset: Preset, images: Path, work_dir: Path, seed: int, rate: float, seconds: float) -> Config:
    """The config for a folder with a smaller encoder, and as many epochs as there is time for.

    Warm-up stays a tenth of them. Arguments as of :func:`recipe_config`.
    """
    dataset = DATASETS.build(dict(type='mmsimmim.ImageFolder', data_root=str(images), split='train'))
    epochs = max(1, round(rate * seconds / len(dataset)))
    options = {'model.backbone.arch': SWIN[preset.arch], 'model.neck.in_channels': 8 * SWIN[preset.arch]['embed_dims'],
               'train_cfg.max_epochs': epochs, 'param_scheduler.warmup': epochs / 10}
    return _pretraining(FOLDER, options, images, work_dir, seed)


def _pretraining(name: str, options: dict, images: Path, work_dir: Path, seed: int) -> Config:
    arch = options.pop('model.backbone.arch', None)
    cfg, _ = read_with_options(str(CONFIGS / name), {
        **options, 'data_root': str(images), 'randomness.seed': seed, 'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False, 'train_dataloader.pin_memory': False})
    if arch is not None:
        cfg.model.backbone.arch = arch
    cfg.default_hooks.pop('reconstruction')
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    return _quiet(cfg, work_dir)


def trees_config(preset: Preset, data: Path, work_dir: Path, lr: float, seed: int, checkpoint: Path | None) -> Config:
    """ATSS of the demo with another encoder.

    Args:
        preset (Preset): The size.
        data (Path): Tiles and boxes as in demo/data/aerial.
        work_dir (Path): For logs.
        lr (float): Peak learning rate.
        seed (int): Of the training.
        checkpoint (Path, optional): Of the pre-training; None starts at random.
    """
    cfg, _ = read_with_options(str(CONFIGS / TREES), {
        'data_root': f'{data}/', 'randomness.seed': seed, 'train_cfg.max_iters': STEPS_OF_TREES,
        'train_cfg.val_interval': STEPS_OF_TREES})
    cfg.param_scheduler[1].update(end=STEPS_OF_TREES)
    width = SWIN[preset.arch]['embed_dims']
    cfg.model.backbone.update(arch=SWIN[preset.arch], window_size=WINDOW, out_indices=(1, 2, 3))
    cfg.model.neck.update(in_channels=[2 * width, 4 * width, 8 * width])
    cfg.model.backbone.init_cfg = start_from(checkpoint)
    cfg.optim_wrapper.optimizer.lr = lr
    if checkpoint:
        cfg.optim_wrapper.constructor = 'mmsimmim.LearningRateDecayOptimWrapperConstructor'
        cfg.optim_wrapper.paramwise_cfg = dict(flat_decay_mult=0.0, layer_decay_rate=preset.dense.layer_decay)
    cfg.default_hooks.checkpoint = None
    return _quiet(cfg, work_dir)


def as_pretrained(cfg: Config) -> Config:
    """A config of the dense benchmark with the images as the pre-training has seen them."""
    cfg.model.data_preprocessor.update(NORMALISATION)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        for step in loader.dataset.pipeline:
            if step.type == 'mmsimmim.LoadStretchedOnce':
                step.type = 'mmsimmim.LoadImageOnce'
    return cfg


def start_from(checkpoint: Path | None) -> dict | None:
    """The ``init_cfg`` of an encoder."""
    return dict(type='Pretrained', checkpoint=str(checkpoint), prefix='backbone.') if checkpoint else None


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.height, image.width


def _quiet(cfg: Config, work_dir: Path) -> Config:
    cfg.visualizer.vis_backends = [dict(type='LocalVisBackend')]
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = str(work_dir).replace('/', '_')
    cfg.log_level = 'WARNING'
    return cfg
