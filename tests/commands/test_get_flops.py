"""tools/analysis_tools/get_flops.py: counts against arithmetic, and against explicit matrix products."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml
from mmengine.analysis import FlopAnalyzer
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.utils import digit_version
from torch import nn

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.analysis.flops import Cost, build, cost_of, count, default_shape
from mmsimmim.analysis.image_size import image_size, pipeline_of
from mmsimmim.commands.get_flops import main, make_table
from mmsimmim.errors import UserError
from mmsimmim.models import SwinTransformer, SwinTransformerV2, VisionTransformer
from mmsimmim.registry import MODELS
from tests.commands.conftest import CONFIG, REPO

NORM = 5  # operations per value that MMEngine counts
HEIGHT, WIDTH = 37, 51  # pixels: 10 x 13 tokens, which fill no windows of 4
EMBED, DEPTHS, HEADS, WINDOW = 8, (2, 2), (1, 4), 4
ARCH = dict(embed_dims=EMBED, depths=DEPTHS, num_heads=HEADS)


@pytest.fixture(autouse=True)
def no_scope_stays():
    yield
    DefaultScope._instance_dict.clear()


def up(size, step):
    """The next multiple of a step."""
    return -(-size // step) * step


def attention(tokens, keys, channels):
    """Query, key and value; their two products; the projection."""
    return tokens * channels * 3 * channels + products(tokens, keys, channels) + tokens * channels * channels


def products(tokens, keys, channels):
    return 2 * tokens * keys * channels


def mlp(tokens, channels, ratio=4):
    return 2 * tokens * channels * ratio * channels


def by_hand_swin(v2=False, shape=(HEIGHT, WIDTH), embed=EMBED, depths=DEPTHS, windows=(WINDOW, WINDOW),
                 attend=attention):
    rows, cols = (up(side, 4) // 4 for side in shape)
    total = rows * cols * embed * (4 * 4 * 3 + NORM)
    for stage, (depth, window) in enumerate(zip(depths, windows)):
        channels = embed * 2**stage
        if stage:
            rows, cols = up(rows, 2) // 2, up(cols, 2) // 2
            normed = channels if v2 else 2 * channels  # of the merged channels, or of the four neighbours
            total += rows * cols * (2 * channels * channels + NORM * normed)
        tokens, padded = rows * cols, up(rows, window) * up(cols, window)
        block = attend(padded, window**2, channels) + mlp(tokens, channels) + 2 * NORM * tokens * channels
        if v2:
            block += (2 * window - 1)**2 * 512 * (2 + HEADS[stage])
        total += depth * block
        total += NORM * tokens * channels  # out_indices names each stage
    return total


@pytest.mark.parametrize('v2', [False, True])
def test_swin(v2):
    backbone = (SwinTransformerV2 if v2 else SwinTransformer)(ARCH, window_size=WINDOW, out_indices=(0, 1))
    assert count(backbone, (HEIGHT, WIDTH)).flops == by_hand_swin(v2)


def test_recomputation_costs_nothing_in_a_test():
    backbone = SwinTransformer(ARCH, window_size=WINDOW, out_indices=(0, 1), with_cp=True)
    assert count(backbone, (HEIGHT, WIDTH)).flops == by_hand_swin()


def test_vit():
    """Two blocks among all of 16 tokens and the class token."""
    arch = dict(embed_dims=12, num_layers=2, num_heads=3, feedforward_channels=24)
    cost = count(VisionTransformer(arch, img_size=64), (64, 64))
    block = attention(17, 17, 12) + mlp(17, 12, 2) + 2 * NORM * 17 * 12
    assert cost.flops == 16 * 12 * 16 * 16 * 3 + 2 * block + NORM * 17 * 12
    assert cost.attention_flops == 2 * 17 * 17 * 2 * 12
    assert cost.encoder_flops == cost.flops and cost.uncounted['aten::gelu'] == 2


def test_vit_with_windows():
    """4 x 6 tokens: one block in windows of 3, which are padded to 6 x 6, and one among all."""
    arch = dict(embed_dims=12, num_layers=2, num_heads=3, feedforward_channels=24)
    backbone = VisionTransformer(arch, img_size=48, with_cls_token=False, window_size=3, global_attn_indexes=(1, ))
    others = 24 * 12 * 16 * 16 * 3 + 2 * mlp(24, 12, 2) + 5 * NORM * 24 * 12
    resizing = 7 * 5 * 5 * 3 + 11 * 7 * 5 * 3  # of the table of 5 x 5 offsets and 3 heads to 7 x 11, for the latter
    flops = count(backbone, (64, 96)).flops
    assert flops == attention(36, 9, 12) + attention(24, 24, 12) + others + resizing


def test_explicit_products():
    """The Swin of mmdetection has no fused attention, so MMEngine counts it all by itself."""
    pytest.importorskip('mmdet')
    from mmdet.models import SwinTransformer as Stock
    stock = Stock(embed_dims=EMBED, depths=DEPTHS, num_heads=HEADS, strides=(4, 2), window_size=WINDOW,
                  out_indices=(0, 1))
    stock.eval()
    images = torch.zeros(1, 3, HEIGHT, WIDTH)
    assert FlopAnalyzer(stock, (images, )).unsupported_ops_warnings(False).total() == by_hand_swin()
    plain = FlopAnalyzer(SwinTransformer(ARCH, window_size=WINDOW, out_indices=(0, 1)).eval(), (images, ))
    assert plain.unsupported_ops_warnings(False).total() < by_hand_swin()  # what the rule for attention is for


class Attends(nn.Module):
    """Calls an attention with one query for all heads, or fewer heads of keys than of queries."""

    def __init__(self, heads):
        super().__init__()
        self.query = nn.Parameter(torch.rand(1, heads, 5, 4))

    def forward(self, x):
        key, value = x[:, :2, :7, :4], x[:, :2, :7, :3]
        options = dict(enable_gqa=True) if self.query.shape[1] > 2 else {}
        return F.scaled_dot_product_attention(self.query.expand(2, -1, -1, -1), key.expand(2, -1, -1, -1),
                                              value.expand(2, -1, -1, -1), **options)


@pytest.mark.parametrize('heads', [2, pytest.param(6, marks=pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.5'), reason='needs grouped queries'))])
def test_leading_dimensions(heads):
    """Two images: 5 queries of 4 channels, 7 keys, values of 3 channels."""
    assert count(Attends(heads), (8, 8)).flops == 2 * heads * 5 * 7 * (4 + 3)


MASK_RCNN = """
_base_ = 'mmdet::_base_/models/mask-rcnn_r50_fpn.py'
default_scope = 'mmdet'
model = dict(
    backbone=dict(depth=18, base_channels=4, init_cfg=None), neck=dict(in_channels=[4, 8, 16, 32], out_channels=8),
    rpn_head=dict(in_channels=8, feat_channels=8),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=8), mask_roi_extractor=dict(out_channels=8),
        bbox_head=dict(in_channels=8, fc_out_channels=16, num_classes=3),
        mask_head=dict(in_channels=8, conv_out_channels=8, num_convs=1, num_classes=3)),
    test_cfg=dict(rpn=dict(max_per_img=60)))
"""
CASCADE = """
_base_ = 'mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py'
default_scope = 'mmdet'
model = dict(
    backbone=dict(depth=18, base_channels=4, init_cfg=None), neck=dict(in_channels=[4, 8, 16, 32], out_channels=8),
    rpn_head=dict(in_channels=8, feat_channels=8),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=8), mask_roi_extractor=dict(out_channels=8),
        bbox_head=[dict(
            type='Shared2FCBBoxHead', in_channels=8, fc_out_channels=16, num_classes=3,
            bbox_coder=dict(type='DeltaXYWHBBoxCoder'), reg_class_agnostic=True)] * 3,
        mask_head=dict(in_channels=8, conv_out_channels=8, num_convs=1, num_classes=3)),
    test_cfg=dict(rpn=dict(max_per_img=60)))
"""
MASK_HEAD = 'dict(in_channels=8, conv_out_channels=8, num_convs=1, num_classes=3)'
HTC_HEAD = MASK_HEAD.replace('dict(', "dict(type='HTCMaskHead', with_conv_res={}, ")
HTC_HEADS = ', '.join(HTC_HEAD.format(receives) for receives in (False, True, True))
HTC = CASCADE.replace(f'mask_head={MASK_HEAD}', f"type='HybridTaskCascadeRoIHead', mask_head=[{HTC_HEADS}]")
# two layers of 16 after 7 x 7 x 8, classes and the background, boxes per class or for all classes
BOX, BOX_CASCADE = (392 * 16 + 16 * 16 + 16 * (4 + boxes * 4) for boxes in (3, 1))
# a 3 x 3 convolution on 14 x 14, a 2 x 2 transposed one to 28 x 28, the logits of three classes
MASK = 196 * 8 * 8 * 9 + 196 * 8 * 8 * 4 + 784 * 8 * 3
# of HTC's three heads only the last makes masks; the two before pass on features, through a 1 x 1 convolution
MASKS_HTC = MASK + 2 * (196 * 8 * 8 * 9 + 196 * 8 * 8)


@pytest.mark.parametrize('text, boxes, masks', [
    (MASK_RCNN, BOX, MASK), (CASCADE, 3 * BOX_CASCADE, 3 * MASK), (HTC, 3 * BOX_CASCADE, MASKS_HTC)])
def test_proposals(text, boxes, masks):
    """Each proposal costs a box head, and the first 100 a mask head, in each stage; the config says how many."""
    pytest.importorskip('mmdet')
    cfg = Config.fromstring(text, '.py')
    model = build(cfg)
    few, more, many = (count(model, (64, 64), number).flops for number in (20, 60, 200))
    assert more - few == 40 * (boxes + masks)
    assert many - more == 140 * boxes + 40 * masks
    assert cost_of(cfg, (64, 64)).flops == more
    head = 1 * 8 * 8 * 9 + 8 * (3 + 12)  # of the proposals, at each of 16**2 + ... + 1 places
    assert model.rpn_head(model.extract_feat(torch.zeros(1, 3, 64, 64)))[0][0].shape == (1, 3, 16, 16)
    with_backbone = count(model.backbone, (64, 64)).flops
    neck = 8 * (256 * 4 + 64 * 8 + 16 * 16 + 4 * 32) + 340 * 8 * 8 * 9
    resized = 8 * (256 + 64 + 16)
    assert few == with_backbone + neck + resized + 341 * head + 20 * (boxes + masks)


def test_segmentor():
    """The auxiliary head has parameters, and costs nothing in a test; where a crop slides, the crop counts."""
    pytest.importorskip('mmseg')
    cfg = Config.fromstring("""
default_scope = 'mmseg'
decode_head = dict(
    type='FCNHead', in_channels=16, channels=16, in_index=1, num_convs=0, concat_input=False, num_classes=5)
model = dict(
    type='EncoderDecoder',
    backbone=dict(type='mmsimmim.SwinTransformer', arch=dict(embed_dims=8, depths=[1, 1], num_heads=[1, 1]),
                  window_size=4, out_indices=(0, 1)),
    decode_head=decode_head, auxiliary_head=decode_head,
    test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(32, 32)))
""", '.py')
    cost = cost_of(cfg)
    assert cost.shape == (64, 64)
    assert cost.flops - cost.encoder_flops == 8 * 8 * 16 * 5
    assert cost.parameters == count(build(cfg).backbone, (64, 64)).parameters + 2 * (16 * 5 + 5)


def test_pretraining():
    """The encoder, with masks, and the prediction of 16 x 16 pixels from each token of the last map."""
    cfg = Config.fromfile(CONFIG)
    cost = cost_of(cfg)
    assert cost.shape == (32, 32)
    assert cost.flops - cost.encoder_flops == 2 * 2 * 64 * 16 * 16 * 3
    assert cost.encoder_flops == count(MODELS.build(cfg.model.backbone), (32, 32)).flops


def test_channels():
    cfg = Config(dict(default_scope='mmpretrain', model=dict(type='mmpretrain.ImageClassifier', backbone=dict(
        type='mmsimmim.SwinTransformer', arch=ARCH, window_size=WINDOW, in_channels=5, out_indices=(0, 1)))))
    assert cost_of(cfg, (HEIGHT, WIDTH)).flops == by_hand_swin() + 10 * 13 * EMBED * 4 * 4 * 2


def test_default_shapes():
    loader = dict(dataset=dict(pipeline=[dict(type='Resize', scale=(1024, 768))]))
    for divisor, expected in ((1, (800, 1280)), (32, (800, 1280)), (1024, (768, 1024))):
        model = dict(data_preprocessor=dict(pad_size_divisor=divisor))
        assert default_shape(Config(dict(default_scope='mmdet', model=model, val_dataloader=loader))) == expected
    with pytest.raises(UserError, match='--shape'):
        default_shape(Config(dict(model=dict())))


@pytest.mark.parametrize('steps, expected', [
    ([dict(type='LoadImage')], None),
    ([dict(type='RandomResizedCrop', scale=192)], (192, 192)),
    ([dict(type='ResizeEdge', scale=256), dict(type='CenterCrop', crop_size=224)], (224, 224)),
    ([dict(type='Resize', scale=(1333, 800)), dict(type='RandomFlip')], (800, 1333)),
    ([dict(type='RandomResize', scale=(2048, 512)), dict(type='RandomCrop', crop_size=(512, 640))], (512, 640)),
    ([dict(type='RandomChoiceResize', scales=[(480, 1333), (800, 1333)])], (1333, 800)),
    ([dict(type='RandomChoice', transforms=[
        [dict(type='Resize', scale=(100, 50))],
        [dict(type='RandomCrop', crop_type='absolute_range', crop_size=(384, 600)), dict(type='Resize', scale=(90, 70))]
    ])], (70, 90)),
])
def test_image_size(steps, expected):
    assert image_size(steps) == expected


def test_pipeline_of_wrapped_datasets():
    inner = dict(type='A', pipeline=[dict(type='Resize', scale=(64, 32))])
    loader = dict(dataset=dict(type='Repeat', dataset=dict(type='Mix', dataset=inner, pipeline=[dict(type='Flip')])))
    cfg = Config(dict(train_dataloader=loader))
    assert [step['type'] for step in pipeline_of(cfg, 'train_dataloader')] == ['Resize', 'Flip']
    assert pipeline_of(cfg, 'val_dataloader') == []


def test_table():
    row = make_table(dict(one=Cost((800, 1280), 47_794_602, 267.01e9, 96e9, 3.11e9))).splitlines()[-1]
    assert row == '| one | 1280 x 800 | 47.8M | 267.0G | 96.0G | 3.1G |'


def test_tool(capsys):
    """A shipped config: Swin-B as published, 15.4 of the paper's GFLOPs."""
    config = REPO / 'configs' / 'cls' / 'swin-base-w7_16xb128-amp-coslr-100e_in1k-224px_simmim-800e.py'
    main([str(config), '--cfg-options', 'model.head.num_classes=7'])
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith(f'| {config.stem} |'))
    assert row == f'| {config.stem} | 224 x 224 | 86.8M | 15.5G | 15.5G | 0.3G |'
    assert lines[-1].startswith(f'Not counted in {config.stem}') and 'gelu (24)' in lines[-1]


def read(folder):
    """FLOPs of each config of a folder, as its metafile has them, and the rows of the README's tables."""
    models = yaml.safe_load((folder / 'metafile.yml').read_text())['Models']
    rows = re.findall(r'^\| \[.*\.py\).*\|$', (folder / 'README.md').read_text(), re.M)
    return {Path(model['Config']).name: model['Metadata']['FLOPs'] for model in models}, rows


@pytest.mark.parametrize('folder', ['cls', 'det', 'seg'])
def test_readme_and_metafile(folder):
    """Both starts of a recipe cost the same."""
    flops, rows = read(REPO / 'configs' / folder)
    assert rows and all(' G |' in row for row in rows)
    for row in rows:
        numbers = {flops[name] for name in re.findall(r'\]\(([^)]+\.py)\)', row) if name in flops}
        assert len(numbers) == 1
        assert all(f'| {number / 1e9:.1f} G |' in row for number in numbers)


@pytest.mark.parametrize('head, shape, published', [
    ('det/mask-rcnn', (800, 1280), dict(base=497, large=904)),
    ('seg/upernet', (512, 2048), dict(base=1181, large=1601))])
@pytest.mark.parametrize('arch', ['base', 'large'])
def test_published_figures(head, shape, published, arch):
    """Theirs leave out the products of attentions, and Swin-L has windows of 7 there, and 14, 14, 14, 7 here."""
    folder, name = head.split('/')
    flops, _ = read(REPO / 'configs' / folder)
    number, = {flops[config] for config in flops if config.startswith(f'{name}_swin-{arch}-')
               and not any(other in config for other in ('640px', 'cityscapes'))}
    sizes = dict(shape=shape, embed=dict(base=128, large=192)[arch], depths=(2, 2, 18, 2))

    def without_products(tokens, keys, channels):
        return attention(tokens, keys, channels) - products(tokens, keys, channels)

    ours = by_hand_swin(windows=dict(base=(7, 7, 7, 7), large=(14, 14, 14, 7))[arch], **sizes)
    theirs = by_hand_swin(windows=(7, 7, 7, 7), attend=without_products, **sizes)
    assert number - ours + theirs == pytest.approx(published[arch] * 1e9, rel=2e-3)


@pytest.mark.parametrize('name', [
    'swin-tiny-w7_8xb256-amp-coslr-100e_in1k-224px_simmim-100e.py',
    'vit-base-p16_8xb2048-amp-linear-coslr-90e_in1k-224px_simmim-800e.py'])
def test_classifiers(name):
    """As the metafile has them; of the linear probe's encoder eight blocks run."""
    cost = cost_of(Config.fromfile(REPO / 'configs' / 'cls' / name))
    assert cost.flops == read(REPO / 'configs' / 'cls')[0][name]


@pytest.mark.slow
def test_count_at_full_size():
    """Swin-T as it stands in the metafile."""
    pytest.importorskip('mmdet')
    name = 'atss_swin-tiny-w7-fpn_8xb2-amp-1x_coco_simmim-100e.py'
    cost = cost_of(Config.fromfile(REPO / 'configs' / 'det' / name))
    assert cost.flops == read(REPO / 'configs' / 'det')[0][name]
    encoder = by_hand_swin(shape=cost.shape, embed=96, depths=(2, 2, 6, 2), windows=(7, 7, 7, 7))
    assert cost.encoder_flops == encoder - NORM * 200 * 320 * 96  # without the first map
