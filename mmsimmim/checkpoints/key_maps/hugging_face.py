"""Hugging Face transformers: ``models/{swin,swinv2,beit}/modeling_*.py``.

The names are those in files, which are the same for all releases; ``from_pretrained`` reads them. Release 5 has other
names in memory (``state_dict()``) for Swin and BEiT, which are read as well.
"""

from collections.abc import Iterable

from . import official
from .rules import CLASSIFIER, DECODER, MASK_TOKEN, QKV, Form, Rule, below

_PATCHES = below('embeddings.', '', [
    Rule('mask_token', 'mask_token'),
    Rule('patch_embeddings.projection.{param}', 'patch_embed.projection.{param}'),
])
_PATCH_NORM = [Rule('embeddings.norm.{param}', 'patch_embed.norm.{param}')]
_LAST_NORM = [Rule('layernorm.{param}', 'norm{last}.{param}')]
_MLP = [
    Rule('intermediate.dense.{param}', 'ffn.layers.0.0.{param}'),
    Rule('output.dense.{param}', 'ffn.layers.1.{param}'),
]
_TABLE = 'relative_position_bias_table'


def _norms(ours: str) -> list[Rule]:
    return [
        Rule('layernorm_before.{param}', ours + '1.{param}'),
        Rule('layernorm_after.{param}', ours + '2.{param}'),
    ]


def _joined(names: Iterable[str], param: str) -> Rule:
    """Query, key and value, which are one layer here."""
    return Rule(tuple(f'{name}.{param}' for name in names), f'qkv.{param}', QKV)


_QUERY_KEY_VALUE = ('query', 'key', 'value')
# Release 5, in memory
_PROJECTIONS = ('q_proj', 'k_proj', 'v_proj')
_MLP_5 = below('mlp.', '', [
    Rule('fc1.{param}', 'ffn.layers.0.0.{param}'),
    Rule('fc2.{param}', 'ffn.layers.1.{param}'),
])

SWIN_BLOCK = [
    *_norms('norm'),
    *_MLP,
    *below('attention.', 'attn.w_msa.', [
        Rule('self.' + _TABLE, _TABLE),
        *below('self.', '', [_joined(_QUERY_KEY_VALUE, '{param}')]),
        Rule('output.dense.{param}', 'proj.{param}'),
        Rule('relative_position_bias.' + _TABLE, _TABLE),
        _joined(_PROJECTIONS, '{param}'),
        Rule('o_proj.{param}', 'proj.{param}'),
    ]),
    *_MLP_5,
]
SWIN = [
    *_PATCHES,
    *_PATCH_NORM,
    *below('encoder.layers.{stage}.blocks.{block}.', 'stages.{stage}.blocks.{block}.', SWIN_BLOCK),
    *below('encoder.layers.{stage<last}.downsample.', 'stages.{stage<last}.downsample.', official.SWIN_MERGING),
]
# One norm per output instead of the last; the numbers are those of the stages, from 1
NORM_PER_STAGE = [Rule('hidden_states_norms.stage{stage+1}.{param}', 'backbone.norm{stage}.{param}')]

SWIN_V2_BLOCK = [
    *_norms('norm'),
    *_MLP,
    *below('attention.', 'attn.w_msa.', [
        *below('self.', '', [
            Rule('logit_scale', 'logit_scale'),
            Rule('query.bias', 'q_bias'),
            Rule('value.bias', 'v_bias'),
            _joined(_QUERY_KEY_VALUE, 'weight'),
            *below('continuous_position_bias_mlp.', 'cpb_mlp.', official.POSITION_MLP),
        ]),
        Rule('output.dense.{param}', 'proj.{param}'),
    ]),
]
SWIN_V2 = [
    *_PATCHES,
    *_PATCH_NORM,
    *below('encoder.layers.{stage}.blocks.{block}.', 'stages.{stage}.blocks.{block}.', SWIN_V2_BLOCK),
    *below('encoder.layers.{stage<last}.downsample.', 'stages.{stage+1}.downsample.', official.SWIN_V2_MERGING),
]
SWIN_BUFFERS = tuple(
    'encoder.layers.{stage}.blocks.{block}.attention.' + name for name in (
        'self.relative_position_index', 'self.relative_coords_table', 'relative_position_bias.relative_position_index'))

BEIT_BLOCK = [
    Rule('lambda_1', 'gamma_1'),
    Rule('lambda_2', 'gamma_2'),
    *_norms('ln'),
    *_MLP,
    *below('attention.', 'attn.', [
        *below('attention.', '', [
            Rule('query.bias', 'q_bias'),
            Rule('value.bias', 'v_bias'),
            _joined(_QUERY_KEY_VALUE, 'weight'),
            Rule('relative_position_bias.' + _TABLE, _TABLE),
        ]),
        Rule('output.dense.{param}', 'proj.{param}'),
    ]),
]
BEIT_BLOCK_5 = [
    Rule('lambda_1', 'gamma_1'),
    Rule('lambda_2', 'gamma_2'),
    *_norms('ln'),
    *_MLP_5,
    Rule('relative_position_bias.' + _TABLE, 'attn.' + _TABLE),
    *below('attention.', 'attn.', [
        Rule('q_proj.bias', 'q_bias'),
        Rule('v_proj.bias', 'v_bias'),
        _joined(_PROJECTIONS, 'weight'),
        Rule('o_proj.{param}', 'proj.{param}'),
    ]),
]
BEIT = [
    *_PATCHES,
    Rule('embeddings.cls_token', 'cls_token'),
    Rule('embeddings.position_embeddings', 'pos_embed'),
    Rule('encoder.relative_position_bias.' + _TABLE, 'rel_pos_bias.' + _TABLE),
    *below('encoder.layer.{block}.', 'layers.{block}.', BEIT_BLOCK),
    Rule('shared_position_bias.' + _TABLE, 'rel_pos_bias.' + _TABLE),
    *below('layers.{block}.', 'layers.{block}.', BEIT_BLOCK_5),
]
BEIT_NORMS = [Rule('pooler.layernorm.{param}', 'ln2.{param}'), Rule('layernorm.{param}', 'ln1.{param}')]
BEIT_BUFFERS = (
    'encoder.relative_position_bias.relative_position_index',
    'encoder.layer.{block}.attention.attention.relative_position_bias.relative_position_index',
)

_DECODER = [Rule('decoder.0.{param}', DECODER)]
_CLASSIFIER = [Rule('classifier.{param}', CLASSIFIER)]


def _swin_forms(encoder: str, name: str, rules: list[Rule]) -> list[Form]:
    prefix = name.lower() + '.'
    rules = rules + _LAST_NORM
    return [
        Form(f'Hugging Face {name}Model', 'hf', encoder, '', rules, (), SWIN_BUFFERS),
        Form(f'Hugging Face {name}ForMaskedImageModeling', 'hf', encoder, prefix, rules, _DECODER, SWIN_BUFFERS),
        Form(f'Hugging Face {name}ForImageClassification', 'hf', encoder, prefix, rules, _CLASSIFIER, SWIN_BUFFERS,
             lacks=(MASK_TOKEN, )),
    ]


HUGGING_FACE = [
    *_swin_forms('swin', 'Swin', SWIN),
    *_swin_forms('swin_v2', 'Swinv2', SWIN_V2),
    # in files and in memory; since release 5 there is a last norm, which is not used
    *(Form('Hugging Face SwinBackbone', 'hf', 'swin', prefix, SWIN, NORM_PER_STAGE,
           (*SWIN_BUFFERS, unused + '.{param}'), lacks=(MASK_TOKEN, ))
      for prefix, unused in [('', 'swin.layernorm'), ('swin.', 'layernorm')]),
    Form('Hugging Face BeitModel', 'hf', 'vit', '', BEIT + BEIT_NORMS, (), BEIT_BUFFERS, lacks=(DECODER, )),
    Form('Hugging Face BeitForImageClassification', 'hf', 'vit', 'beit.', BEIT + BEIT_NORMS, _CLASSIFIER,
         BEIT_BUFFERS, lacks=(MASK_TOKEN, )),
    Form('Hugging Face BeitForMaskedImageModeling', 'hf', 'vit', 'beit.', BEIT,
         [Rule('layernorm.{param}', 'backbone.ln1.{param}')], BEIT_BUFFERS, others=('lm_head.', )),
]
