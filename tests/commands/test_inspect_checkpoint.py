"""What the inspector says of the files of the data-scaling study, and of their recipes."""

import pytest
import torch

from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.checkpoints.reading import tensors
from mmsimmim.commands.inspect_checkpoint import main as inspect
from mmsimmim.models import SwinTransformerV2
from mmsimmim.shipped import configs_folder
from tests.checkpoints.official_files import as_deepspeed_saves, as_the_authors_save, official_recipe, sat_vision

BASE = 'simmim_swinv2-base-w12_16xb128-amp-steplr-800e_in1k-192px.py'


def official(arch, pretraining=True):
    """Parameters of an encoder of that size in official names, without memory for their values."""
    with torch.device('meta'):
        encoder = SwinTransformerV2(arch)
    if pretraining:
        encoder.add_mask_token()
    state = {f'backbone.{name}': torch.zeros(1).expand(value.shape) for name, value in encoder.state_dict().items()}
    return convert_state_dict(state, to='official')


@pytest.fixture
def said_of(tmp_path, capsys, monkeypatch):
    """A function that saves the content of a file and returns what the inspector says of it, by line."""
    monkeypatch.setattr(tensors, 'MAX_EXPANSION', 1 << 40)  # networks of their full size, of one value

    def inspected(content, configs=tmp_path):
        torch.save(content, tmp_path / 'x.pth')
        inspect([str(tmp_path / 'x.pth'), '--configs', str(configs)])
        return capsys.readouterr().out.splitlines()

    return inspected


@pytest.fixture(scope='module')
def base_configs(tmp_path_factory):
    """A folder with the configs of Swin V2-B and -H and what they inherit."""
    folder = tmp_path_factory.mktemp('configs')
    (folder / '_base_').symlink_to(configs_folder() / '_base_')
    (folder / 'pretrain').mkdir()
    huge = 'simmim_swinv2-huge-w12_32xb64-amp-fsdp-steplr-800e_in1k-192px.py'
    for name in (BASE, BASE.replace('800e', '125k'), huge):
        (folder / 'pretrain' / name).write_bytes((configs_folder() / 'pretrain' / name).read_bytes())
    return folder


def test_a_recipe_is_shown_beside_the_matching_config(said_of, base_configs):
    config = official_recipe('pretrain')
    config['DATA']['MASK_RATIO'] = 0.5
    lines = said_of(as_the_authors_save(official('base'), config), base_configs)
    title, = (line for line in lines if line.startswith('Recipe'))
    assert BASE in title and title.endswith('(* differs):') and 'do not fit' not in title
    marked, = (line for line in lines if line.startswith('  * '))
    assert marked.split() == ['*', 'train_dataloader.collate_fn.mask.mask_ratio', '0.5', '0.6']
    assert any(line.split() == ['optim_wrapper.optimizer.lr', '0.0004', '0.0004'] for line in lines)
    assert 'those of the whole batch: the optimizer in the file began with 0.0004' in lines[-1]


def test_a_huge_with_other_heads_is_named_and_set(said_of, base_configs):
    arch = dict(embed_dims=352, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32])
    config = official_recipe('pretrain')
    config['MODEL']['SWINV2'] |= dict(EMBED_DIM=352)
    lines = said_of(as_the_authors_save(official(arch), config), base_configs)
    text = '\n'.join(lines)
    assert ('huge, but with heads 4-8-16-32 (huge: heads 8-16-32-64), '
            'no extra norms (huge: an extra norm after every 6 blocks)') in text
    assert ('in a config     arch=dict(embed_dims=352, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32], '
            'extra_norm_every_n_blocks=0)') in text
    assert 'Fits exactly: none' in text and 'huge-w12_32xb64-amp-fsdp-steplr-800e' in text
    assert ', which its weights do not fit (* differs)' in text


def test_sat_vision(said_of):
    lines = said_of(as_deepspeed_saves(sat_vision()))
    text = '\n'.join(lines)
    assert 'official SimMIM pre-training of Swin V2' in lines[0] and 'image channels  14' in text
    assert 'extra norms     an extra norm after every 6 blocks' in text and 'bfloat16' in text
    assert 'windows         8-8-8-4' in text and 'resolution      128 px' in text and 'global_steps 100' in text
    assert 'Recipe' not in text


def test_a_recipe_without_a_config_and_one_that_makes_no_sense(said_of):
    state = sat_vision()
    lines = said_of(as_the_authors_save(state, official_recipe('pretrain')))
    assert 'Recipe in the file, under the keys of our configs:' in lines
    assert '  model.backbone.window_size = 12' in lines
    lines = said_of(dict(model=state, config=dict(MODEL={}, TRAIN={})))
    assert lines[-1].startswith('Recipe in the file: it cannot be understood (KeyError')
    lines = said_of(dict(model=state, config=dict(a=1)))
    assert not any(line.startswith('Recipe') for line in lines)
