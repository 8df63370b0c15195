"""``load_from`` and ``init_cfg`` of all three frameworks take every kind of file into models with our encoders."""

import logging
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader, Runner, load_checkpoint
from mmengine.runner import checkpoint as mmengine_checkpoint

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.checkpoints import convert_state_dict, loading, write_checkpoint
from mmsimmim.checkpoints.loading import load_from_http, load_from_local
from mmsimmim.checkpoints.reading.files import UnsafeCheckpoint
from mmsimmim.engine.hooks.resuming.check_architecture import ArchitectureHook
from mmsimmim.errors import UserError
from mmsimmim.registry import MODELS
from tests.golden import below, load, relative_error

HEIGHT = 96
BACKBONES = {
    'swin': dict(type='mmsimmim.SwinTransformer', arch=dict(embed_dims=4, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4]),
                 window_size=7, drop_path_rate=0.),
    'swinv2': dict(type='mmsimmim.SwinTransformerV2', img_size=HEIGHT, window_size=6, drop_path_rate=0.,
                   arch=dict(embed_dims=4, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])),
    'vit': dict(type='mmsimmim.VisionTransformer', img_size=128, drop_path_rate=0., use_rel_pos_bias=True,
                arch=dict(embed_dims=16, num_layers=3, num_heads=4, feedforward_channels=64),
                use_shared_rel_pos_bias=False),
}


def classifier(backbone, classes=5):
    channels = 16 if 'Vision' in backbone['type'] else 32
    head = dict(type='LinearClsHead', num_classes=classes, in_channels=channels)
    return dict(type='ImageClassifier', backbone=backbone, neck=dict(type='GlobalAveragePooling'), head=head)


def detector(backbone):
    channels = 16 if 'Vision' in backbone['type'] else 32
    head = dict(type='RetinaHead', num_classes=2, in_channels=8, feat_channels=8, stacked_convs=1,
                anchor_generator=dict(type='AnchorGenerator', ratios=[1.0], strides=[32], octave_base_scale=4,
                                      scales_per_octave=1),
                bbox_coder=dict(type='DeltaXYWHBBoxCoder'))
    neck = dict(type='FPN', in_channels=[channels], out_channels=8, num_outs=1)
    return dict(type='RetinaNet', backbone=backbone, neck=neck, bbox_head=head)


def segmentor(backbone):
    channels = 16 if 'Vision' in backbone['type'] else 32
    head = dict(type='FCNHead', in_channels=channels, in_index=0, channels=8, num_convs=1, num_classes=3)
    return dict(type='EncoderDecoder', backbone=backbone, decode_head=head, test_cfg=dict(mode='whole'))


FRAMEWORKS = dict(mmpretrain=classifier, mmdet=detector, mmseg=segmentor)


def official(encoder):
    return below(load(f'simmim_{encoder}.npz'), 'param/')


def expected_maps(encoder):
    """Maps of the backbone alone, loaded with its own names."""
    backbone = MODELS.build(BACKBONES[encoder]).double().eval()
    backbone.load_state_dict(below(convert_state_dict(official(encoder), to='mmsimmim'), 'backbone.'), strict=False)
    return maps(backbone)


@torch.no_grad()
def maps(backbone):
    images = torch.linspace(-1, 1, 3 * HEIGHT**2, dtype=torch.float64).reshape(1, 3, HEIGHT, HEIGHT).cos()
    return backbone(images)[-1]


def build_runner(tmp_path, framework, backbone, **kwargs):
    register = __import__(f'{framework}.utils', fromlist=['register_all_modules']).register_all_modules
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        register(init_default_scope=False)
        return Runner(FRAMEWORKS[framework](backbone), str(tmp_path / 'work'), default_scope=framework,
                      log_level='INFO', experiment_name=str(tmp_path / framework), **kwargs)


FORMS = dict(
    official=('official', '.pth', 'model'), official_safetensors=('official', '.safetensors', None),
    ours=('mmsimmim', '.pth', 'state_dict'), ours_safetensors=('mmsimmim', '.safetensors', None),
    bare=('backbone', '.pth', None), timm=('timm', '.safetensors', None))


def save_all(tmp_path, encoder):
    """The same pre-trained encoder in the names of several code bases."""
    state = official(encoder)
    for name, (to, suffix, key) in FORMS.items():
        path = str(tmp_path / f'{name}{suffix}')
        write_checkpoint(path, state if to == 'official' else convert_state_dict(state, to=to), key=key)
        yield path


@pytest.mark.parametrize('encoder', BACKBONES)
@pytest.mark.parametrize('framework', FRAMEWORKS)
def test_every_file_loads_into_models_of_every_framework(tmp_path, framework, encoder):
    expected = expected_maps(encoder)
    paths = list(save_all(tmp_path, encoder))
    runner = build_runner(tmp_path, framework, BACKBONES[encoder], load_from=paths[0])
    model = runner.model.double().eval()
    for path in paths:
        for parameter in model.parameters():
            torch.nn.init.zeros_(parameter)
        runner._load_from, runner._has_loaded = path, False
        runner.load_or_resume()
        assert relative_error(maps(model.backbone), expected) < 1e-12, path
    log, = (tmp_path / 'work').rglob('*.log')
    text = log.read_text()
    assert text.count('its parameters were renamed for') == 4 and text.count('parameters matched (') == len(paths)


@pytest.mark.parametrize('framework', FRAMEWORKS)
def test_init_cfg_in_models_of_every_framework(tmp_path, framework):
    expected = expected_maps('vit')
    for path in save_all(tmp_path, 'vit'):
        with DefaultScope.overwrite_default_scope(framework):
            init_cfg = dict(type='Pretrained', checkpoint=path, prefix='backbone.')
            runner = build_runner(tmp_path, framework, dict(BACKBONES['vit'], init_cfg=init_cfg))
            runner.model.double().eval().init_weights()
        assert relative_error(maps(runner.model.backbone), expected) < 1e-12, path


@pytest.mark.parametrize('framework', FRAMEWORKS)
def test_files_of_other_networks_are_refused_by_load_from(tmp_path, framework):
    runner = build_runner(tmp_path, framework, BACKBONES['swin'])
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    files = {
        'v2': (official('swinv2'), 'does not fit this SwinTransformer.*Swin V2'),
        'ours': (convert_state_dict(official('swinv2'), to='mmsimmim'), 'does not fit this SwinTransformer.*Swin V2'),
        'vit': (official('vit'), 'does not fit this SwinTransformer.*ViT'),
        'resnet': ({'layer1.0.conv1.weight': torch.zeros(1)}, "has nothing for the .*'s backbone: .*ResNet"),
        'student': ({f'student.backbone.{name}': value for name, value in official('swin').items()},
                    "is found below student.backbone.encoder.: .*prefix='student.backbone.encoder.'"),
        'head': ({'decode_head.conv.weight': torch.zeros(1)}, "has nothing for the .*'s backbone"),
    }
    for name, (state, message) in files.items():
        write_checkpoint(str(tmp_path / f'{name}.pth'), state)
        with pytest.raises(UserError, match=message):
            runner.load_checkpoint(str(tmp_path / f'{name}.pth'))
    with pytest.raises(UserError, match=r'mmengine.runner.load_checkpoint\(model, file\)'):
        runner.model.load_state_dict(official('swin'), strict=False)
    torch.save(dict(optimizer=dict(state={}, param_groups=[])), tmp_path / 'optimizer.pth')
    with pytest.raises(UserError, match='state of an optimizer'):
        runner.load_checkpoint(str(tmp_path / 'optimizer.pth'))
    assert all(torch.equal(value, before[name]) for name, value in runner.model.state_dict().items())


def test_a_classifier_comes_along_where_it_fits(tmp_path):
    state = {name.removeprefix('encoder.'): value for name, value in official('swin').items()
             if name.startswith('encoder.') and not name.endswith('mask_token')}
    state |= {'head.weight': torch.rand(5, 32).double(), 'head.bias': torch.rand(5).double()}
    path = str(tmp_path / 'classifier.pth')
    write_checkpoint(path, state, key='model')
    runner = build_runner(tmp_path, 'mmpretrain', BACKBONES['swin'])
    runner.model.double()
    runner.load_checkpoint(path)
    assert torch.equal(runner.model.head.fc.weight, state['head.weight'])

    with DefaultScope.overwrite_default_scope('mmpretrain'):
        other = MODELS.build(classifier(BACKBONES['swin'], classes=7)).double().eval()
    before = other.head.fc.weight.clone()
    load_checkpoint(other, path)
    assert torch.equal(other.head.fc.weight, before)
    assert relative_error(maps(other.backbone), expected_maps('swin')) < 1e-12
    log, = (tmp_path / 'work').rglob('*.log')
    assert 'no such parameters: head.fc.weight (5, 32), head.fc.bias (5,)' in log.read_text()


def test_an_official_classifier_is_tested_only_if_it_is_whole(tmp_path):
    """What tools/test.py asks before it tests."""
    runner = build_runner(tmp_path, 'mmpretrain', BACKBONES['swin'])
    runner.model.double()
    state = {name.removeprefix('encoder.'): value for name, value in official('swin').items()
             if name.startswith('encoder.') and not name.endswith('mask_token')}
    with pytest.raises(UserError, match='lacks 2 .head.fc.weight, head.fc.bias'):
        ArchitectureHook().after_load_checkpoint(runner, dict(state_dict=state))
    state |= {'head.weight': torch.rand(5, 32).double(), 'head.bias': torch.rand(5).double()}
    ArchitectureHook().after_load_checkpoint(runner, dict(state_dict=state))


def test_a_whole_simmim_loads_from_an_official_file(tmp_path):
    from tests.golden import simmim_swin
    model, golden = simmim_swin()
    write_checkpoint(str(tmp_path / 'x.pth'), official('swin'), key='model')
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    load_checkpoint(model, str(tmp_path / 'x.pth'), strict=True)
    assert relative_error(model.reconstruct(golden['input'], golden['mask']), golden['reconstruction']) < 1e-6


def test_foreign_names_below_backbone_convert_and_the_rest_stays(tmp_path):
    """A detector of microsoft's Swin-Transformer-Object-Detection."""
    runner = build_runner(tmp_path, 'mmdet', BACKBONES['swin'])
    model = runner.model.double().eval()
    state = {name.replace('encoder.', 'backbone.'): value for name, value in official('swin').items()
             if name.startswith('encoder.') and 'mask_token' not in name}
    neck = torch.rand_like(model.neck.lateral_convs[0].conv.weight)
    write_checkpoint(str(tmp_path / 'x.pth'), {**state, 'neck.lateral_convs.0.conv.weight': neck})
    runner.load_checkpoint(str(tmp_path / 'x.pth'))
    assert relative_error(maps(model.backbone), expected_maps('swin')) < 1e-12
    assert torch.equal(model.neck.lateral_convs[0].conv.weight, neck)


@pytest.mark.parametrize('content', [dict(state_dict={}), {}, dict(meta=dict(epoch=1), state_dict={})])
def test_an_empty_file_is_named(tmp_path, content):
    torch.save(content, tmp_path / 'hollow.pth')
    with pytest.raises(UserError, match='hollow.pth: The checkpoint holds no parameters'):
        load_checkpoint(torch.nn.Linear(1, 1), str(tmp_path / 'hollow.pth'))


@pytest.mark.parametrize('wrap', [
    lambda backbone: MODELS.build(detector(backbone)),
    lambda backbone: torch.nn.ModuleDict(dict(backbone=MODELS.build(backbone)))], ids=['mmdet', 'plain'])
def test_files_convert_where_anything_is_accepted(tmp_path, wrap):
    path = str(tmp_path / 'x.pth')
    write_checkpoint(path, official('swin'), key='model')
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = wrap(BACKBONES['swin']).double().eval()
    backbone = model['backbone'] if isinstance(model, torch.nn.ModuleDict) else model.backbone
    backbone.min_matched = 0
    load_checkpoint(model, path)
    assert relative_error(maps(backbone), expected_maps('swin')) < 1e-12
    write_checkpoint(path, {**official('swin'), 'my_head.weight': torch.ones(2)}, force=True)
    torch.nn.init.zeros_(backbone.patch_embed.projection.weight)
    load_checkpoint(model, path)
    assert relative_error(maps(backbone), expected_maps('swin')) < 1e-12
    write_checkpoint(path, {'layer1.0.conv1.weight': torch.zeros(1)}, force=True)
    load_checkpoint(model, path)
    assert relative_error(maps(backbone), expected_maps('swin')) < 1e-12


def test_stock_backbones_convert_for_themselves_as_before(tmp_path):
    """The Swin of mmdet knows official supervised files, and must find them with their names."""
    from mmdet.models.backbones import SwinTransformer
    state = {name.removeprefix('encoder.'): value for name, value in official('swin').items()
             if name.startswith('encoder.') and not name.endswith(('mask_token', 'relative_position_index'))}
    write_checkpoint(str(tmp_path / 'x.pth'), state, key='model')
    theirs = SwinTransformer(embed_dims=4, depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), out_indices=(0, ),
                             window_size=6, convert_weights=True, drop_path_rate=0.,
                             init_cfg=ConfigDict(type='Pretrained', checkpoint=str(tmp_path / 'x.pth'))).double()
    ours = MODELS.build(dict(BACKBONES['swin'], window_size=6, out_indices=(0, ))).double()
    theirs.init_weights()
    theirs.eval()  # returns None there
    ours.eval().load_state_dict(state, strict=False)
    assert relative_error(maps(ours), maps(theirs)) < 1e-6


def test_models_of_others_get_their_state_dict_untouched():
    model, state = torch.nn.Linear(2, 2), dict(weight=torch.ones(2, 2), bias=torch.ones(2))
    mmengine_checkpoint.load_state_dict(model, state, strict=True)
    assert torch.equal(model.weight, state['weight'])


def test_parameters_are_found_where_other_code_bases_keep_them(tmp_path):
    torch.save(dict(model=dict(weight=torch.ones(1)), epoch=3), tmp_path / 'x.pth')
    content = CheckpointLoader.load_checkpoint(str(tmp_path / 'x.pth'), logger='silent')
    assert content['state_dict'] is content['model'] and content['epoch'] == 3
    torch.save(dict(state_dict=dict(weight=torch.ones(1)), model=dict(a=torch.ones(1))), tmp_path / 'x.pth')
    content = CheckpointLoader.load_checkpoint(str(tmp_path / 'x.pth'), logger='silent')
    assert list(content['state_dict']) == ['weight']
    write_checkpoint(str(tmp_path / 'x.safetensors'), dict(weight=torch.ones(1)))  # EMAHook looks for the key
    content = CheckpointLoader.load_checkpoint(str(tmp_path / 'x.safetensors'), logger='silent')
    assert list(content['state_dict']) == ['weight']
    torch.save(torch.ones(3), tmp_path / 'x.pth')
    assert torch.equal(CheckpointLoader.load_checkpoint(str(tmp_path / 'x.pth'), logger='silent'), torch.ones(3))


@pytest.mark.parametrize('rank', [0, 1])
def test_every_computer_fetches_a_file_that_it_does_not_find(tmp_path, monkeypatch, rank):
    fetched = []

    def fetch(url, path, progress):
        fetched.append(url)
        torch.save(dict(weight=torch.ones(1)), path)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fetch)
    monkeypatch.setattr(loading, 'get_dist_info', lambda: (rank, 2))
    monkeypatch.setattr(loading, 'barrier', lambda: fetched.append('barrier'))
    content = load_from_http('https://example.org/x.pth', model_dir=str(tmp_path / 'cache'))
    assert torch.equal(content['weight'], torch.ones(1))
    address = ['https://example.org/x.pth']
    assert fetched == (['barrier', *address] if rank else [*address, 'barrier'])


class Prints:
    def __reduce__(self):
        return print, ('code ran', )


@pytest.mark.parametrize('address', ['https://example.org/files/x.pth?download=1', 'torchvision://x', 'mmcls://x'])
def test_files_from_addresses_are_fetched_once_and_not_run(tmp_path, monkeypatch, capsys, address):
    fetched = []

    def fetch(url, path, progress):
        fetched.append(url)
        torch.save(dict(model=dict(weight=torch.ones(1)), config=Prints()), path)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fetch)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    for name in ('get_torchvision_models', 'get_mmcls_models'):
        monkeypatch.setattr(mmengine_checkpoint, name, lambda: dict(x='https://example.org/files/x.pth'))
    for _ in range(2):
        with pytest.raises(UnsafeCheckpoint, match='x.pth can be read only with builtins.print|only with print'):
            CheckpointLoader.load_checkpoint(address, logger='silent')
    assert len(fetched) == 1 and 'code ran' not in capsys.readouterr().out
    (tmp_path / 'checkpoints' / 'x.pth').unlink()
    torch.save(dict(weight=torch.ones(1)), tmp_path / 'checkpoints' / 'x.pth')
    assert torch.equal(load_from_http('https://example.org/x.pth')['weight'], torch.ones(1))


def log_of(tmp_path):
    log, = (tmp_path / 'work').rglob('*.log')
    return log.read_text()


def test_each_loading_has_one_report_and_no_second_opinion(tmp_path):
    """What a pre-trained file has beside the encoder, and what a classifier lacks, is in a line of its own."""
    runner = build_runner(tmp_path, 'mmpretrain', dict(BACKBONES['swin'], out_indices=(2, 3)))
    runner.model.double()
    path = str(tmp_path / 'ours.pth')
    state = convert_state_dict(official('swin'), to='mmsimmim')
    write_checkpoint(path, state | {'head.fc.weight': torch.zeros(7, 32)}, key='state_dict', force=True)
    runner.load_checkpoint(path)
    text = log_of(tmp_path)
    assert 'do not match exactly' not in text and text.count('parameters matched (') == 1
    assert '2 missing, 0 unexpected' in text
    line, = [line for line in text.splitlines() if 'outside the encoder' in line]
    assert 'WARNING - ImageClassifier, outside the encoder: 1 missing, left as they were: head.fc.bias; ' in line
    assert '2 unexpected, not used: neck.decoder.0.weight, neck.decoder.0.bias' in line
    assert 'size mismatch for head.fc.weight' in line and 'norm' not in line and 'backbone' not in line
    with pytest.raises(RuntimeError, match='do not match exactly'):
        load_checkpoint(runner.model, path, strict=True)


def test_init_cfg_is_reported_once(tmp_path):
    path = list(save_all(tmp_path, 'swin'))[2]
    init_cfg = dict(type='Pretrained', checkpoint=path, prefix='backbone.')
    with DefaultScope.overwrite_default_scope('mmdet'):
        runner = build_runner(tmp_path, 'mmdet', dict(BACKBONES['swin'], out_indices=(3, ), init_cfg=init_cfg))
        runner.model.init_weights()
    text = log_of(tmp_path)
    assert text.count('parameters matched (') == 1 and 'do not match exactly' not in text


def test_a_resumed_checkpoint_runs_no_program(tmp_path, monkeypatch):
    """MMEngine reads the number of GPUs from a config in the file, by running it."""
    monkeypatch.chdir(tmp_path)
    meta = dict(epoch=1, config="__import__('os').mkdir('run')")
    torch.save(dict(meta=meta, state_dict=dict(x=torch.ones(1))), 'x.pth')
    assert mmengine_checkpoint._load_checkpoint('x.pth')['meta'] == dict(epoch=1)


def test_a_trial_is_not_reported(tmp_path):
    """tools/test.py and --resume try a checkpoint before they load it."""
    runner = build_runner(tmp_path, 'mmpretrain', BACKBONES['swin'])
    runner.register_hook(ArchitectureHook(), priority='VERY_HIGH')
    path = str(tmp_path / 'whole.pth')
    write_checkpoint(path, runner.model.state_dict(), key='state_dict', force=True)
    runner.load_checkpoint(path)
    assert log_of(tmp_path).count('parameters matched (') == 1


def test_models_of_others_keep_the_warning(caplog):
    logger = logging.getLogger('mmsimmim_others')
    mmengine_checkpoint.load_state_dict(torch.nn.Linear(2, 2), dict(weight=torch.ones(2, 2)), logger=logger)
    assert 'do not match exactly' in caplog.text


@pytest.mark.skipif(not Path('/proc/self/maps').exists(), reason='Linux says which files are in memory')
@pytest.mark.parametrize('mmap, processes, shared', [(True, 1, True), (False, 8, False), (None, 1, False),
                                                     (None, 8, True)])
def test_processes_share_the_memory_of_a_local_file(tmp_path, monkeypatch, mmap, processes, shared):
    monkeypatch.setattr('mmsimmim.checkpoints.loading.get_dist_info', lambda: (0, processes))
    path = tmp_path / 'official.pth'
    torch.save(dict(model=dict(weight=torch.arange(6.))), path)
    found = load_from_local(str(path), 'cpu', mmap=mmap)['state_dict']['weight']
    assert (str(path) in Path('/proc/self/maps').read_text()) == shared
    assert torch.equal(found, torch.arange(6.))
