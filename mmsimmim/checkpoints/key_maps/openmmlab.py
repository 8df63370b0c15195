"""OpenMMLab: our own names, which are those of mmpretrain, mmdet and mmsegmentation.

Sources: ``mmpretrain/models/backbones/{swin_transformer,swin_transformer_v2,beit}.py``,
``mmdet/models/backbones/swin.py`` and ``mmseg/models/backbones/{swin,beit}.py``.
"""

from collections.abc import Iterable
from dataclasses import replace

from . import official
from .rules import CLASSIFIER, DECODER, MASK_TOKEN, Form, Rule

NAMES = {'swin': 'Swin', 'swin_v2': 'Swin V2', 'vit': 'ViT (BEiT)'}
# mmcls before 1.0 named the last norm so
_OLD_LAST_NORM = [Rule('norm.{param}', 'norm{last}.{param}')]


def _own(rules: Iterable[Rule]) -> list[Rule]:
    return [Rule(name, name) for name in dict.fromkeys(rule.ours for rule in rules)]


RULES = {
    'swin': _own(official.SWIN + official.NORM_PER_STAGE) + _OLD_LAST_NORM,
    'swin_v2': _own(official.SWIN_V2 + official.NORM_PER_STAGE) + _OLD_LAST_NORM,
    # with a bias of the keys too where our ViT is given bias=True; no other code base has that with this encoder
    'vit': _own(official.VIT + official.MEAN_NORM + [Rule('', 'layers.{block}.attn.qkv.bias')]),
}
_SWIN_BUFFERS = tuple(
    'stages.{stage}.blocks.{block}.attn.' + name
    for name in ('attn_mask', 'w_msa.relative_position_index', 'w_msa.relative_coords_table'))
BUFFERS = {
    'swin': _SWIN_BUFFERS,
    'swin_v2': _SWIN_BUFFERS,
    'vit': ('rel_pos_bias.relative_position_index', 'layers.{block}.attn.relative_position_index'),
}
# Parts of detectors, segmentors and other pre-training methods: ignored
OTHERS = ('neck.', 'head.', 'rpn_head.', 'roi_head.', 'bbox_head.', 'mask_head.', 'decode_head.', 'auxiliary_head.',
          'panoptic_head.', 'target_generator.', 'data_preprocessor.')

WHOLE_MODEL = [
    Form(f'OpenMMLab model with {NAMES[encoder]} as its backbone', 'mmsimmim', encoder, 'backbone.', RULES[encoder],
         _own([Rule('', DECODER), Rule('', CLASSIFIER)]), BUFFERS[encoder], OTHERS)
    for encoder in RULES]
ENCODER = [
    Form(f'OpenMMLab encoder, {NAMES[encoder]}', 'mmsimmim', encoder, '', RULES[encoder], (), BUFFERS[encoder])
    for encoder in RULES]

# Detectors of Swin-Transformer-Object-Detection: the official names in a model of OpenMMLab's
OFFICIAL_DETECTOR = Form(
    'official detector or segmentor with Swin', 'official', 'swin', 'backbone.',
    official.SWIN + official.NORM_PER_STAGE, (), official.SWIN_BUFFERS, OTHERS, lacks=(MASK_TOKEN, ))

# Written only
BACKBONE_FILE = [replace(form, lacks=(MASK_TOKEN, DECODER, CLASSIFIER)) for form in ENCODER]
DETECTOR = [
    replace(form, rest=(), lacks=(MASK_TOKEN, DECODER, CLASSIFIER)) for form in WHOLE_MODEL if form.encoder == 'swin']
# mmsegmentation's BEiT has neither position embeddings nor the norm of averaged patches
SEGMENTOR = DETECTOR + [
    replace(form, rules=[rule for rule in form.rules if rule.ours != 'pos_embed'],
            lacks=(*form.lacks, 'backbone.ln2.{param}'), title='BEiT of mmsegmentation')
    for form in BACKBONE_FILE if form.encoder == 'vit']
