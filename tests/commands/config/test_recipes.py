"""A recipe beside the settings of a config: what is the same is not marked, what differs is."""

import pytest
from mmengine.config import Config

from mmsimmim.checkpoints.recipe import read_recipe
from mmsimmim.commands.config.recipes import compare, nearest, table
from mmsimmim.shipped import configs_folder
from tests.checkpoints.official_files import as_the_authors_save, official_recipe

PRETRAIN, CLS = configs_folder() / 'pretrain', configs_folder() / 'cls'
BASE = 'simmim_swinv2-base-w12_16xb128-amp-steplr-{}_in1k-192px.py'


def recipe_of(name, **changes):
    config = {key: dict(value) if isinstance(value, dict) else value for key, value in official_recipe(name).items()}
    for part, values in changes.items():
        config[part] |= values
    return read_recipe(as_the_authors_save({}, config), pretraining=name == 'pretrain')


def differences(recipe, path):
    return {row.key: (row.theirs, row.ours) for row in compare(recipe, Config.fromfile(path).to_dict()) if row.differs}


@pytest.mark.parametrize('name, path', [
    ('pretrain', PRETRAIN / BASE.format('800e')), ('pretrain', PRETRAIN / BASE.format('500k')),
    ('finetune', CLS / 'swinv2-base-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py')])
def test_the_published_recipes_are_our_configs(name, path):
    """Iterations, too, which follow from the scheduler's: 800 epochs of 625."""
    assert not differences(recipe_of(name), path)


def test_every_difference_is_marked():
    recipe = recipe_of('pretrain', DATA=dict(MASK_RATIO=0.5, IMG_SIZE=224), TRAIN=dict(EPOCHS=200, WEIGHT_DECAY=0.1),
                       MODEL=dict(SIMMIM={}, DROP_PATH_RATE=0.2))
    assert differences(recipe, PRETRAIN / BASE.format('800e')) == {
        'optim_wrapper.optimizer.weight_decay': (0.1, 0.05), 'train_cfg.max_epochs': (200, 800),
        'model.backbone.img_size': (224, 192), 'model.backbone.drop_path_rate': (0.2, 0.1),
        'train_dataloader.collate_fn.mask.mask_ratio': (0.5, 0.6),
        'model.target_generator.type': ('mmsimmim.PixelTarget', 'mmsimmim.NormalizedPixelTarget')}


def test_what_a_config_has_more_is_a_difference():
    recipe = recipe_of('finetune', TRAIN=dict(LAYER_DECAY=1.), AUG=dict(MIXUP=0.2, AUTO_AUGMENT='rand-m5-mstd0.5-inc1'))
    path = CLS / 'swinv2-base-w14_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
    assert differences(recipe, path) == {
        'optim_wrapper.paramwise_cfg.layer_decay_rate': (1., 0.75), 'model.train_cfg.augments[Mixup].alpha': (0.2, 0.8),
        'train_dataloader.dataset.pipeline[RandAugment].magnitude_level': (5, 9)}


def test_the_nearest_is_of_the_task_and_has_the_fewest_differences():
    paths = [PRETRAIN / BASE.format('800e'), PRETRAIN / BASE.format('125k'), *CLS.glob('swinv2-base-w14*224px*.py')]
    assert nearest(recipe_of('pretrain'), paths, pretraining=True)[0].name == BASE.format('800e')
    steps = dict(NAME='multistep', GAMMA=0.1, MULTISTEPS=[175])
    short = recipe_of('pretrain', TRAIN=dict(EPOCHS=200, LR_SCHEDULER=steps))
    assert nearest(short, paths, pretraining=True)[0].name == BASE.format('125k')
    assert nearest(recipe_of('finetune'), paths, pretraining=False)[0].parent == CLS
    assert nearest(recipe_of('finetune'), paths[:1], pretraining=False) is None


def test_of_equally_near_ones_that_on_all_of_imagenet():
    paths = sorted(PRETRAIN.rglob(BASE.format('500k').replace('_in1k-', '_in1k*')))
    assert paths[0].parent.name == 'data_scaling' and paths[-1].parent == PRETRAIN
    assert nearest(recipe_of('pretrain'), paths, pretraining=True)[0] == paths[-1]


def test_the_table_has_a_mark_and_both_values():
    recipe = recipe_of('pretrain', DATA=dict(MASK_RATIO=0.5))
    lines = table(compare(recipe, Config.fromfile(PRETRAIN / BASE.format('800e')).to_dict()))
    marked, = (line.split() for line in lines if line.startswith('*'))
    assert marked == ['*', 'train_dataloader.collate_fn.mask.mask_ratio', '0.5', '0.6']
    depths, = (line.split(maxsplit=1)[1] for line in lines if 'arch.depths' in line)
    assert depths.replace(' ', '') == 2 * '2,2,18,2'
