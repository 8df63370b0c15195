"""timm: ``timm/models/{swin_transformer,swin_transformer_v2,beit}.py``.

The names are nearly the official ones. Since timm 0.9 a merging stands at the beginning of a stage, and the classifier
of a Swin is ``head.fc``; before, files had the official form. timm has neither mask token nor decoder.
"""

from . import official
from .rules import CLASSIFIER, DECODER, MASK_TOKEN, Form, Rule, below

_LACKS = (MASK_TOKEN, DECODER)
_HEAD = [Rule('head.fc.{param}', CLASSIFIER)]
_PATCHES = official.PATCHES[1:]

SWIN = [
    *_PATCHES,
    *below('layers.{stage}.blocks.{block}.', 'stages.{stage}.blocks.{block}.', official.SWIN_BLOCK),
    *below('layers.{stage+1}.downsample.', 'stages.{stage<last}.downsample.', official.SWIN_MERGING),
    *official.LAST_NORM,
]
SWIN_V2 = [
    *_PATCHES,
    *below('layers.{stage}.blocks.{block}.', 'stages.{stage}.blocks.{block}.', [
        *official.NORMS,
        *official.MLP,
        *below('attn.', 'attn.w_msa.', official.SWIN_V2_ATTENTION),
    ]),
    *below('layers.{stage+1}.downsample.', 'stages.{stage+1}.downsample.', official.SWIN_V2_MERGING),
    *official.LAST_NORM,
]
VIT = [rule for rule in official.VIT if rule.ours != 'mask_token'] + official.MEAN_NORM

TIMM = [
    Form('timm SwinTransformer', 'timm', 'swin', '', SWIN, _HEAD, official.SWIN_BUFFERS, lacks=_LACKS),
    Form('timm SwinTransformerV2', 'timm', 'swin_v2', '', SWIN_V2, _HEAD, official.SWIN_BUFFERS, lacks=_LACKS),
    # read in the official form, which is the same, unless there are zeros for the bias of the keys
    Form('timm Beit', 'timm', 'vit', '', VIT, official.LINEAR_HEAD,
         (*official.VIT_BUFFERS, 'blocks.{block}.attn.k_bias'), lacks=_LACKS),
]
