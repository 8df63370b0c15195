"""The configs of the data-scaling study differ from those on all of ImageNet-1K in the data alone."""

import re
from functools import cache

import pytest
import yaml
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import Runner

from mmsimmim.commands.config.loading import read_with_options
from tests.configs.pretraining import FOLDER, write_images
from tests.configs.test_ablations import flat

ROOM = FOLDER / 'data_scaling'
PATHS = sorted(ROOM.glob('*.py'))
MODELS = {model['Name']: model for model in yaml.safe_load((ROOM / 'metafile.yml').read_text())['Models']}
WHOLE = {model['Name']: model for model in yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']}
TITLES = {'in1k-10pct': 'ImageNet-1K, 10 %', 'in1k-20pct': 'ImageNet-1K, 20 %', 'in1k-50pct': 'ImageNet-1K, 50 %',
          'in22k': 'ImageNet-22K'}
FRACTION = 'train_dataloader.dataset.fraction'
ROOT = 'train_dataloader.dataset.data_root'


def parts_of(name):
    """The name of the config on all of ImageNet-1K, and the data of this one."""
    begin, data = re.fullmatch(r'(.*)_(in\w+(?:-\d+pct)?)-192px', name).groups()
    return f'{begin}_in1k-192px', data


@cache
def whole_config(name):
    """All keys and values of a config on all of ImageNet-1K."""
    return flat(Config.fromfile(FOLDER / f'{name}.py').to_dict())


@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.stem)
def test_a_config_differs_in_the_data_alone(path):
    whole, data = parts_of(path.stem)
    ours, theirs = flat(Config.fromfile(path).to_dict()), whole_config(whole)
    if data == 'in22k':
        expected = {'data_root': 'data/imagenet22k', ROOT: 'data/imagenet22k'}
    else:
        expected = {'fraction': int(data[5:-3]) / 100, FRACTION: int(data[5:-3]) / 100}
    assert ours == theirs | expected
    assert theirs[ROOT] == 'data/imagenet/train' and FRACTION not in theirs


def test_there_is_one_for_each_row_of_modelhub():
    sizes = dict(small='10 20 50', base='10 20 50 22', large='10 20 50 22', huge='20 50 22') | {'giant-1b': '50 22'}
    rows = {(size, 'in22k' if data == '22' else f'in1k-{data}pct', length) for size, some in sizes.items()
            for data in some.split() for length in ('125k', '250k', '500k')}
    found = {(re.search(r'swinv2-(.+)-w12', path.stem)[1], parts_of(path.stem)[1],
              re.search(r'-(\d+k)_', path.stem)[1]) for path in PATHS}
    assert found == rows and len(PATHS) == len(rows) == 48


def test_readme_and_metafile_say_the_same():
    text = (ROOM / 'README.md').read_text()
    rows = {name: cells.split(' | ') for name, cells in re.findall(r'^\| \[.+?\]\((\S+)\.py\) \| (.+) \|$', text, re.M)}
    assert rows.keys() == MODELS.keys() == {path.stem for path in PATHS}
    for name, (_, data, length, loss, accuracy, *measured) in rows.items():
        whole, kind = parts_of(name)
        model = MODELS[name]
        published = model['Metadata']['Published']
        assert model['Config'] == f'configs/pretrain/data_scaling/{name}.py' and model['Results'] is None
        assert data == model['Metadata']['Training Data'] == TITLES[kind]
        assert f'-{length.replace(",000", "k")}_' in name and measured == ['not run', 'not run']
        assert loss == f'{published["Validation Loss"]:.4f}' and accuracy == f'{published["Top 1 Accuracy"]:.2f}'
        assert model['Metadata']['Parameters'] == WHOLE[whole]['Metadata']['Parameters']
    links = re.findall(r'\]\((?!http)([^)#]+)\S*\)', text) + [f'../../../{path}' for path in re.findall(
        r'(?<![\w/])(?:tools|configs|docs|tests)/[\w./-]+\.(?:py|sh|md)', text)]
    assert len(links) > 50 and not [link for link in links if not (ROOM / link).exists()]
    assert '[data scaling](data_scaling/README.md)' in (FOLDER / 'README.md').read_text()
    assert 'configs/pretrain/data_scaling/metafile.yml' in (FOLDER.parents[1] / 'model-index.yml').read_text()


def test_published_losses_that_the_study_discusses():
    """A long training of a large model on little data overfits: targets that were read in MODELHUB.md once more."""
    def loss_of(size, data, length='500k'):
        name, = (name for name in MODELS if f'-{size}-' in name and f'-{length}_{data}' in name)
        return MODELS[name]['Metadata']['Published']['Validation Loss']

    assert loss_of('small', 'in1k-10') == 0.5115 and loss_of('large', 'in1k-10') == 0.5150
    assert loss_of('huge', 'in1k-20') == 0.5071 and loss_of('giant-1b', 'in1k-50') == 0.4719
    assert [loss_of(size, 'in22k') for size in ('base', 'large', 'huge', 'giant-1b')] == [
        0.4614, 0.4536, 0.4444, 0.4416]
    assert all(loss_of(size, 'in1k-10', '500k') > loss_of(size, 'in1k-10', '125k') for size in ('small', 'large'))


@pytest.mark.parametrize('option', ['fraction', 'data_root'])
def test_an_option_for_the_data_reaches_the_training_alone(option):
    ending = dict(fraction='in1k-10pct', data_root='in22k')[option]
    path = next(path for path in PATHS if parts_of(path.stem)[1] == ending)
    value = dict(fraction=0.05, data_root='/data/22k')[option]
    config = read_with_options(str(path), {option: value})[0]
    assert config.train_dataloader.dataset[option] == value
    assert config.val_dataloader == Config.fromfile(path).val_dataloader


def test_an_option_for_the_fraction_of_ones_own_folder():
    path = FOLDER / 'simmim_swin-tiny-w6_1xb128-amp-coslr-100e_folder-192px.py'
    config = read_with_options(str(path), dict(fraction=0.1))[0]
    assert config.train_dataloader.dataset.fraction == 0.1 and 'fraction' not in config.val_dataloader.dataset


@pytest.mark.parametrize('name', ['simmim_swinv2-small-w12_16xb128-amp-steplr-125k_in1k-192px.py',
                                  'simmim_vit-base-p16_16xb128-amp-steplr-800e_in1k-224px.py'])
def test_an_option_for_the_seed_of_the_masks_reaches_the_validation(name):
    before = Config.fromfile(FOLDER / name)
    config = read_with_options(str(FOLDER / name), dict(mask_seed=3))[0]
    steps = [dict(step, seed=3) if 'mask_ratio' in step else dict(step) for step in before.val_pipeline]
    assert config.val_dataloader.dataset.pipeline == steps != before.val_dataloader.dataset.pipeline
    assert config.train_dataloader == before.train_dataloader


def test_the_loaders_of_a_fraction(tmp_path):
    """14, 13 and 13 images in three folders, of which training gets half and validation all."""
    config = Config.fromfile(next(path for path in PATHS if '125k_in1k-50pct' in path.stem))
    init_default_scope('mmpretrain')
    sizes = {}
    for name in ('train', 'val'):
        loader = config[f'{name}_dataloader']
        loader.update(batch_size=4, num_workers=0, persistent_workers=False, pin_memory=False)
        loader.dataset.data_root = write_images(tmp_path / 'images')
        built = Runner.build_dataloader(loader, seed=0)
        assert next(iter(built))['inputs'].shape == (4, 3, 192, 192)
        sizes[name] = len(built.dataset)
    assert sizes['train'] in (19, 20, 21) and sizes['val'] == 40
    DefaultScope._instance_dict.clear()
