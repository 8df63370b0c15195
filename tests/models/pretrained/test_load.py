"""A checkpoint alone gives the numbers of the model that it is of, whatever code base it comes from."""

import mmsimmim  # noqa: F401  (repairs before the frameworks)  # isort: skip
import copy
import json
from pathlib import Path

import pytest
import torch
from mmdet.models.backbones.swin import SwinTransformer as DetSwin
from mmengine.config import Config
from mmpretrain.models.backbones import BEiTViT
from mmpretrain.models.backbones import SwinTransformer as PretrainSwin
from mmseg.models.backbones import BEiT as SegBEiT
from timm.models.beit import Beit
from timm.models.swin_transformer import SwinTransformer as TimmSwin
from timm.models.swin_transformer_v2 import SwinTransformerV2 as TimmSwinV2
from transformers import (
    BeitConfig,
    BeitForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    Swinv2Config,
    Swinv2Model,
    is_torch_available,
)

from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.errors import UserError
from mmsimmim.models import SwinTransformer, SwinTransformerV2
from mmsimmim.registry import MODELS
from tests.checkpoints.official_files import (
    SHRUNK,
    as_deepspeed_saves,
    as_the_authors_save,
    official_recipe,
    official_swin_v2,
    sat_vision,
)
from tests.checkpoints.random_weights import HIERARCHY, SIZE, VIT, images, randomise
from tests.golden import below, load, relative_error, simmim_swin, simmim_swinv2, simmim_vit

F64 = dict(dtype=torch.float64)
STAGES = (0, 1, 2, 3)
ABLATIONS = Path(__file__).parents[3] / 'configs' / 'pretrain' / 'ablations'


@pytest.fixture
def saved(tmp_path):
    """A function that saves parameters, or the whole content of a file."""
    def save(content, name='x.pth'):
        torch.save(content, tmp_path / name)
        return str(tmp_path / name)
    return save


# ---- official files


@pytest.mark.parametrize('build, kwargs', [
    (simmim_swin, {}), (simmim_swinv2, dict(window_size=6, img_size=96)), (simmim_vit, {})])
def test_official_pre_training(build, kwargs, saved):
    """The maps of the golden model, and what the official code reconstructed."""
    expected, golden = build()
    path = saved(dict(model=below(golden, 'param/')))
    encoder = mmsimmim.load(path, **kwargs, **F64)
    assert not encoder.training
    with torch.no_grad():
        maps, wanted = encoder(golden['input']), expected.eval().backbone(golden['input'])
        assert len(maps) == 1 and relative_error(maps[-1], wanted[-1]) < 1e-12
        tokens = mmsimmim.load(path, features='tokens', **kwargs, **F64)(golden['input'])
        pooled = mmsimmim.load(path, features='pooled', **kwargs, **F64)(golden['input'])
    patches = wanted[-1].flatten(2).transpose(1, 2)
    assert relative_error(tokens[:, -patches.shape[1]:], patches) < 1e-12
    assert relative_error(pooled, wanted[-1].mean((2, 3))) < 1e-12
    target = dict(target_generator=dict(type='mmsimmim.PixelTarget')) if build is simmim_swinv2 else {}
    model = mmsimmim.load(path, 'simmim', **kwargs, **target, **F64)
    with torch.no_grad():
        found = model.reconstruct(golden['input'], golden['mask'])
        assert relative_error(found, golden['reconstruction']) < 1e-6
        assert relative_error(model.masked_loss(golden['input'], golden['mask']), golden['loss']) < 1e-6
        assert relative_error(encoder.backbone(golden['input'])[-1], wanted[-1]) < 1e-12


def test_fine_tuned_at_another_window_equals_the_official_logits(saved):
    golden = below(load('finetune.npz'), 'swin_finetune/')
    path = saved(dict(model=below(golden, 'pretrained/')))
    assert mmsimmim.load(path).settings['img_size'] == 192  # told by a shift mask
    encoder = mmsimmim.load(path, features='pooled', img_size=224, window_size=7, **F64)
    features = encoder(golden['input'])
    assert relative_error(features @ golden['head/weight'].T + golden['head/bias'], golden['logits']) < 1e-6
    assert 'resized' in encoder.report


def test_swin_v2_of_the_official_scripts(saved):
    """Coordinate tables tell the windows, the recipe the image size; other windows are read with those of training."""
    state = official_swin_v2(**SHRUNK, dtype=torch.float64)
    content = as_the_authors_save(state, official_recipe('pretrain'))
    content['config']['DATA']['IMG_SIZE'] = 96
    content['config']['MODEL']['SWINV2']['WINDOW_SIZE'] = 6
    path = saved(content)
    expected = SwinTransformerV2(SHRUNK, img_size=96, window_size=6, drop_path_rate=0.).double().eval()
    expected.load_state_dict(state, strict=False)
    assert relative_error(mmsimmim.load(path, **F64)(images())[-1], expected(images())[-1]) < 1e-12
    larger = SwinTransformerV2(SHRUNK, img_size=128, window_size=8, drop_path_rate=0.,
                               pretrained_window_sizes=(6, 6, 6, 3)).double().eval()
    larger.load_state_dict(state, strict=False)
    found = mmsimmim.load(path, img_size=128, window_size=8, **F64)
    assert found.settings['pretrained_window_sizes'] == [6, 6, 6, 3]
    assert relative_error(found(images(128))[-1], larger(images(128))[-1]) < 1e-12
    model = mmsimmim.load(path, 'simmim', **F64)
    assert type(model.target_generator).__name__ == 'NormalizedPixelTarget'


def test_deepspeed_with_14_bands(saved):
    path = saved(as_deepspeed_saves(sat_vision()))
    encoder = mmsimmim.load(path)
    settings = encoder.settings
    assert (settings['in_channels'], settings['img_size'], settings['window_size']) == (14, 128, 8)
    assert encoder(torch.zeros(1, 14, 128, 128))[-1].shape == (1, 64, 4, 4)
    with pytest.raises(UserError, match=r'14 channels are not known: .* mean=\[...\]'):
        encoder.preprocess(torch.zeros(14, 128, 128))
    ready = mmsimmim.load(path, mean=[0.] * 14, std=[255.] * 14).preprocess(torch.full((14, 128, 128), 0.5))
    assert torch.allclose(ready, torch.tensor(0.5)) and ready.shape == (1, 14, 128, 128)


# ---- other code bases


@pytest.mark.parametrize('kind, kwargs', [(TimmSwin, {}), (TimmSwinV2, dict(window_size=6, img_size=96))])
def test_timm(kind, kwargs, saved):
    model = randomise(kind(img_size=SIZE, embed_dim=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), window_size=6,
                           num_classes=5))
    path = saved(model.state_dict())
    expected = model.forward_features(images()).permute(0, 3, 1, 2)
    assert relative_error(mmsimmim.load(path, **kwargs, **F64)(images())[-1], expected) < 1e-9
    assert relative_error(mmsimmim.load(path, 'classifier', **kwargs, **F64)(images()), model(images())) < 1e-9


@pytest.mark.parametrize('kwargs', [
    dict(use_abs_pos_emb=False, use_rel_pos_bias=True),
    dict(use_rel_pos_bias=False, use_shared_rel_pos_bias=True, global_pool='token')])
def test_beit(kwargs, saved):
    """On averaged patches, and on the class token."""
    model = randomise(
        Beit(img_size=SIZE, embed_dim=16, depth=3, num_heads=4, num_classes=5, init_values=0.1, **kwargs))
    path = saved(model.state_dict())
    pooled = model.forward_head(model.forward_features(images()), pre_logits=True)
    assert relative_error(mmsimmim.load(path, features='pooled', **F64)(images()), pooled) < 1e-9
    assert relative_error(mmsimmim.load(path, 'classifier', **F64)(images()), model(images())) < 1e-9
    tokens = mmsimmim.load(path, features='tokens', **F64)(images())
    assert relative_error(tokens, model.forward_features(images())) < 1e-9


@pytest.mark.skipif(not is_torch_available(), reason='transformers works with newer releases of torch only')
@pytest.mark.parametrize('build', [
    lambda: SwinForImageClassification(SwinConfig(**HF, window_size=3)),
    lambda: Swinv2Model(Swinv2Config(**HF, window_size=6)),
    lambda: BeitForImageClassification(BeitConfig(
        image_size=SIZE, patch_size=16, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, num_labels=5,
        intermediate_size=64, use_relative_position_bias=True))], ids=['swin', 'swin_v2', 'beit'])
def test_hugging_face(build, tmp_path):
    """With ``config.json`` beside the file."""
    model = randomise(build())
    model.save_pretrained(tmp_path)
    (tmp_path / 'preprocessor_config.json').write_text(json.dumps(dict(image_mean=[0.5] * 3, image_std=[0.5] * 3)))
    path = str(tmp_path / 'model.safetensors')
    inner = getattr(model, model.base_model_prefix, model)
    expected = inner(images()).last_hidden_state
    encoder = mmsimmim.load(path, features='tokens', **F64)
    assert relative_error(encoder(images()), expected) < 1e-9
    assert encoder.settings['img_size'] == SIZE and list(encoder.preprocess.mean) == [127.5] * 3
    if hasattr(model, 'classifier'):
        assert relative_error(mmsimmim.load(path, 'classifier', **F64)(images()), model(images()).logits) < 1e-9


HF = dict(image_size=SIZE, patch_size=4, embed_dim=8, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4], num_labels=5)


def test_mmpretrain(saved):
    windows = [dict(block_cfgs=dict(window_size=window)) for window in (6, 6, 6, 3)]
    swin = randomise(PretrainSwin(arch=HIERARCHY, img_size=SIZE, stage_cfgs=windows, drop_path_rate=0.))
    assert relative_error(mmsimmim.load(saved(swin.state_dict()), **F64)(images())[-1], swin(images())[-1]) < 1e-9
    vit = randomise(BEiTViT(arch=VIT, img_size=SIZE, use_rel_pos_bias=True, use_shared_rel_pos_bias=False,
                            drop_path_rate=0.))
    found = mmsimmim.load(saved(vit.state_dict()), features='pooled', **F64)
    assert relative_error(found(images()), vit(images())[-1]) < 1e-9


def test_beit_of_mmsegmentation(saved):
    model = randomise(SegBEiT(img_size=(SIZE, SIZE), embed_dims=16, num_layers=3, num_heads=4, mlp_ratio=4,
                              out_indices=(0, 1, 2), init_values=0.1, norm_cfg=dict(type='LN', eps=1e-6)))
    path = saved({f'backbone.{name}': value for name, value in model.state_dict().items()})
    encoder = mmsimmim.load(path, out_indices=(0, 1, 2), **F64)
    for found, expected in zip(encoder(images()), model(images()), strict=True):
        assert relative_error(found, expected) < 1e-9


def test_a_copy_is_a_model_of_its_own(saved):
    encoder = mmsimmim.load(saved(SwinTransformer(HIERARCHY, img_size=SIZE, window_size=6).state_dict()))
    again = copy.deepcopy(encoder).double()
    assert again.preprocess(torch.zeros(3, 96, 96)).dtype == torch.float64
    assert encoder.preprocess(torch.zeros(3, 96, 96)).dtype == torch.float32
    assert not [name for name in again.state_dict() if not name.startswith('backbone.')]


def test_a_detector_of_mmdet(saved):
    """Its windows are padded and shifted on every map, whatever the size."""
    model = randomise(DetSwin(embed_dims=8, depths=(2, 2, 2, 2), num_heads=(1, 2, 2, 4), window_size=7))
    state = {f'backbone.{name}': value for name, value in model.state_dict().items()}
    path = saved(dict(state_dict=state | {'rpn_head.rpn_conv.weight': torch.zeros(1)}))
    encoder = mmsimmim.load(path, **F64)
    assert encoder.settings['img_size'] is None and encoder.settings['out_indices'] == STAGES
    for found, expected in zip(encoder(images(203)), model(images(203)), strict=True):
        assert relative_error(found, expected) < 1e-9


# ---- ours


@pytest.mark.parametrize('build', [simmim_swin, simmim_swinv2, simmim_vit])
def test_our_own_checkpoint_tells_all(build, saved):
    """What MMEngine saves: parameters without tables of indices, and the config as text."""
    model, golden = build()
    backbone = dict(simmim_swin='SwinTransformer', simmim_swinv2='SwinTransformerV2',
                    simmim_vit='VisionTransformer')[build.__name__]
    arch = dict(embed_dims=4, depths=[2, 2, 2, 2], num_heads=[1, 2, 2, 4])
    vit = build is simmim_vit
    if vit:
        arch = dict(embed_dims=16, num_layers=3, num_heads=4, feedforward_channels=64)
    config = Config(dict(
        default_scope='mmpretrain',
        data_preprocessor=dict(type='mmsimmim.SimMIMDataPreprocessor', mean=[33.] * 3, std=[25.] * 3, bgr_to_rgb=True),
        model=dict(
            type='mmsimmim.SimMIM',
            backbone=dict(type=f'mmsimmim.{backbone}', arch=arch, img_size=96, drop_path_rate=0.1,
                          **({} if vit else dict(window_size=6))),
            neck=dict(type='mmsimmim.SimMIMLinearDecoder', in_channels=16 if vit else 32,
                      encoder_stride=16 if vit else 32),
            head=dict(type='mmsimmim.SimMIMHead', patch_size=16 if vit else 4,
                      loss=dict(type='mmsimmim.PixelReconstructionLoss', criterion='L2')))))
    path = saved(dict(state_dict=model.state_dict(), meta=dict(cfg=config.pretty_text, epoch=3)))
    expected = model.eval().backbone(golden['input'])[-1]
    encoder = mmsimmim.load(path, **F64)
    assert relative_error(encoder(golden['input'])[-1], expected) < 1e-12
    assert encoder.preprocess.mean == [33.] * 3 and not encoder.preprocess.bgr
    whole = mmsimmim.load(path, 'simmim', **F64)
    assert whole.head.loss_module.criterion == 'L2'
    found = whole.reconstruct(golden['input'], golden['mask'])
    assert relative_error(found, golden['reconstruction']) < 1e-6


def test_an_exported_backbone_says_what_it_assumes(saved):
    swin = randomise(SwinTransformer(HIERARCHY, img_size=192, window_size=6, drop_path_rate=0.))
    encoder = mmsimmim.load(saved(swin.state_dict()), **F64)
    assert 'Image size 192' in encoder.report and encoder.settings['img_size'] == 192
    assert relative_error(encoder(images(192))[-1], swin(images(192))[-1]) < 1e-12
    maps = mmsimmim.load(saved(swin.state_dict()), img_size='any', out_indices=STAGES, **F64)(images(64))
    downstream = SwinTransformer(HIERARCHY, window_size=6, out_indices=STAGES, drop_path_rate=0.).double().eval()
    downstream.load_state_dict(swin.state_dict(), strict=False)
    for found, expected in zip(maps, downstream(images(64)), strict=True):
        assert relative_error(found, expected) < 1e-12


# ---- refusals


def broken(name):
    swin = convert_state_dict(below(load('simmim_swin.npz'), 'param/'), to='mmsimmim')
    v2 = convert_state_dict(below(load('simmim_swinv2.npz'), 'param/'), to='mmsimmim')
    lacking = {key: value for key, value in swin.items() if 'stages.1.blocks.0.ffn' not in key}
    plain = {key: value for key, value in convert_state_dict(
        below(load('simmim_vit.npz'), 'param/'), to='mmsimmim').items() if 'bias_table' not in key}
    return dict(swin=swin, v2=v2, lacking=lacking, plain=plain, resnet={'layer1.0.conv1.weight': torch.zeros(1)})[name]


@pytest.mark.parametrize('name, kwargs, message', [
    ('swin', dict(kind='detector'), "kind='detector': it must be one of encoder, simmim, classifier"),
    ('swin', dict(features='cls'), "features='cls': it must be one of maps, pooled, tokens"),
    ('swin', dict(kind='classifier'), 'x.pth: it holds no classifier, but OpenMMLab model with Swin'),
    ('v2', {}, 'x.pth: the windows are not to be told: a Swin V2 .* Give window_size='),
    ('v2', dict(window_size=6), r'x.pth: the image size is not to be told'),
    ('v2', dict(window_size=6, img_size=96, kind='simmim'), 'predicts pixels or normalised ones .* target_generator='),
    ('lacking', {}, r'x.pth: 4 parameters of the encoder are missing, such as stages.1.blocks.0.ffn'),
    ('plain', {}, 'x.pth: the architecture is not to be told .* num_layers=3, .* Give arch='),
    ('resnet', {}, 'x.pth: these parameters belong to no encoder'),
    ('swin', dict(arch='tiny'), 'x.pth: the checkpoint does not fit this SwinTransformer'),
    ('swin', dict(dropout=0.1), "x.pth: SwinTransformer has no argument 'dropout'"),
    ('swin', dict(out_type='raw'), 'out_type follows from features='),
    ('swin', dict(device='cuda:99'), 'The device cuda:99 cannot be used')])
def test_refusals(name, kwargs, message, saved):
    with pytest.raises(UserError, match=message) as raised:
        mmsimmim.load(saved(broken(name)), **kwargs)
    assert '..' not in str(raised.value).replace('...', '')


def test_a_missing_file():
    with pytest.raises(UserError, match='no-such.pth does not exist'):
        mmsimmim.load('no-such.pth')


@pytest.mark.parametrize('name', ['head-mlp', 'head-inverse-swin-tiny', 'target-bins-8'])
def test_heads_and_targets_of_our_own(name, saved):
    """From the config in the file, as parameters do not tell a target."""
    config = Config.fromfile(next(ABLATIONS.glob(f'*{name}.py')))
    config.model.backbone.arch, config.model.neck.in_channels = HIERARCHY, 64
    if 'arch' in config.model.neck:
        config.model.neck.arch = HIERARCHY
    model = MODELS.build(dict(config.model, data_preprocessor=config.data_preprocessor)).eval()
    path = saved(dict(state_dict=model.state_dict(), meta=dict(cfg=config.pretty_text)))
    found, whole = mmsimmim.load(path, 'simmim'), images(192).float()
    mask = torch.zeros(2, 48, 48)
    mask[:, :24] = 1
    with torch.no_grad():
        assert torch.equal(found.masked_loss(whole, mask), model.masked_loss(whole, mask))
