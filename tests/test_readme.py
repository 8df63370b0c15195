"""The README's configs do what it says, and the files it points to are there."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope

import mmsimmim
from mmsimmim.__main__ import SHORT_NAMES
from mmsimmim.models import SwinTransformer

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
SCOPES = ['mmdet', 'mmseg', 'mmpretrain']
CONFIGS = [block for block in re.findall(r'```python\n(.*?)```', README, re.S) if '_base_' in block]


@pytest.mark.parametrize('scope, config', zip(SCOPES, CONFIGS, strict=True), ids=SCOPES)
def test_backbone_downstream_is_the_pretrained_one(scope, config, tmp_path):
    pretrained = SwinTransformer('tiny', img_size=192, window_size=6)
    pretrained.add_mask_token()
    checkpoint = tmp_path / 'epoch_100.pth'
    state = {f'backbone.{key}': value for key, value in pretrained.state_dict().items()}
    torch.save(dict(state_dict={**state, 'neck.decoder.0.bias': torch.zeros(3072)}, meta={}), checkpoint)
    path = tmp_path / 'config.py'
    path.write_text(config.replace('work_dirs/pretrain/epoch_100.pth', str(checkpoint)))

    config = Config.fromfile(path)
    init_default_scope(scope)
    if scope == 'mmseg':
        config.model.decode_head.norm_cfg.type = config.model.auxiliary_head.norm_cfg.type = 'BN'
    model = MODELS.build(config.model)
    model.init_weights()
    for name, value in model.backbone.state_dict().items():
        if name in pretrained.state_dict() and not name.endswith('bias_table'):
            assert torch.equal(value, pretrained.state_dict()[name]), name
    table = 'stages.0.blocks.0.attn.w_msa.relative_position_bias_table'
    assert model.backbone.state_dict()[table].shape == (169, 3)
    assert 'mask_token' not in model.backbone.state_dict()


PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


@pytest.mark.parametrize('path', PAGES, ids=lambda path: path.stem)
def test_no_placeholder_is_left(path):
    prose = re.sub(r'```.*?```', '', path.read_text(), flags=re.S)
    assert not re.findall(r'\b[A-Z]+_[A-Z_]+\b|TODO|FIXME', re.sub(r'`[^`]*`', '', prose))


def test_files_that_the_readme_names_are_there():
    links = re.findall(r'\]\((?!http|#)([^)#]+)\)', README)
    paths = re.findall(r'`((?:tests|tools|configs|docs|demo|requirements)/[\w./-]+)`', README)
    commands = re.findall(r'(?<![\w/])((?:tools|configs)/[\w./-]+\.(?:py|sh))', README)
    missing = [path for path in {*links, *paths, *commands} if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize('path', PAGES, ids=lambda path: path.stem)
def test_what_is_named_without_a_checkout_is_in_the_wheel(path):
    text = path.read_text()
    commands = set(re.findall(r'(?:-m |^|`)mmsimmim ([a-z][\w-]*)', text, re.M))
    configs = set(re.findall(r'mmsimmim::([\w/.-]+\.py)', text)) - {'FOLDER/NAME.py'}
    modules = {name: SHORT_NAMES.get(name, name.replace('-', '_')) for name in commands}
    assert [name for name in modules if not (ROOT / 'mmsimmim' / 'commands' / f'{modules[name]}.py').is_file()] == []
    assert [name for name in configs if not (ROOT / 'configs' / name).is_file()] == []
    assert not re.search(r'\bmim install\b|install -?U? ?openmim', text)
    if path.name == 'README.md':
        assert {'pretrain', 'train'} <= commands and configs
        assert set(re.findall(r'mmsimmim-([\d.]+)-py3', text)) == {mmsimmim.__version__}


def test_every_config_has_a_link():
    """Those that start from a fine-tuned encoder are one line from the linked ones, and the README says so."""
    names = {str(path.relative_to(ROOT)) for folder in ('pretrain', 'cls', 'det', 'seg')
             for path in (ROOT / 'configs' / folder).glob('*.py') if not path.stem.endswith('-ft1k')}
    assert names <= set(re.findall(r'\]\((configs/[^)]+)\)', README))


def test_every_page_of_the_docs_is_listed():
    pages = {path.name for path in (ROOT / 'docs').glob('*.md')}
    assert pages - {'index.md'} == set(re.findall(r'\]\(([\w-]+\.md)\)', (ROOT / 'docs' / 'index.md').read_text()))
    assert pages == set(re.findall(r'- ([\w-]+\.md)', (ROOT / 'mkdocs.yml').read_text()))


@pytest.mark.parametrize('page, number, scope, base', [
    ('detection', 4, 'mmdet', 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'),
    ('segmentation', 5, 'mmseg', 'mmseg::upernet/upernet_r50_4xb4-160k_ade20k-512x512.py')])
def test_a_few_lines_carry_the_backbone_into_another_model(page, number, scope, base, tmp_path):
    text = (ROOT / 'docs' / f'{page}.md').read_text()
    lines = next(block for block in re.findall(r'```python\n(.*?)```', text, re.S) if 'custom_imports' in block)
    assert lines.count('\n') == number
    pretrained = SwinTransformer('tiny', img_size=192, window_size=6)
    checkpoint = tmp_path / 'epoch_100.pth'
    state = {f'backbone.{key}': value for key, value in pretrained.state_dict().items()}
    torch.save(dict(state_dict=state), checkpoint)
    path = tmp_path / 'config.py'
    path.write_text(f"_base_ = '{base}'\n" + lines.replace('work_dirs/pretrain/epoch_100.pth', str(checkpoint)))
    config = Config.fromfile(path)
    init_default_scope(scope)
    model = revert_sync_batchnorm(MODELS.build(config.model)).eval()
    model.init_weights()
    name = 'stages.2.blocks.5.ffn.layers.1.weight'
    assert torch.equal(model.backbone.state_dict()[name], pretrained.state_dict()[name])
    images = torch.randn(1, 3, 64, 96)
    out = model.neck(model.backbone(images)) if scope == 'mmdet' else model.encode_decode(images, [
        dict(img_shape=(64, 96), ori_shape=(64, 96), pad_shape=(64, 96))])
    assert all(map(torch.isfinite, (part.sum() for part in out)))
