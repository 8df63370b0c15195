"""The authors' code bases: microsoft/SimMIM and microsoft/Swin-Transformer.

Sources: ``models/simmim.py``, ``models/swin_transformer.py`` and ``models/vision_transformer.py`` of the first,
``models/swin_transformer_v2.py`` of the second.
"""

from .rules import CLASSIFIER, DECODER, MERGING, Form, Rule, below

PATCHES = [
    Rule('mask_token', 'mask_token'),
    Rule('patch_embed.proj.{param}', 'patch_embed.projection.{param}'),
    Rule('patch_embed.norm.{param}', 'patch_embed.norm.{param}'),
]
MLP = [
    Rule('mlp.fc1.{param}', 'ffn.layers.0.0.{param}'),
    Rule('mlp.fc2.{param}', 'ffn.layers.1.{param}'),
]
PROJECTION = [Rule('proj.{param}', 'proj.{param}')]
NORMS = [Rule('norm1.{param}', 'norm1.{param}'), Rule('norm2.{param}', 'norm2.{param}')]
LAST_NORM = [Rule('norm.{param}', 'norm{last}.{param}')]
NORM_PER_STAGE = [Rule('norm{stage}.{param}', 'norm{stage}.{param}')]

SWIN_BLOCK = NORMS + MLP + below('attn.', 'attn.w_msa.', [
    Rule('relative_position_bias_table', 'relative_position_bias_table'),
    Rule('qkv.{param}', 'qkv.{param}'),
    *PROJECTION,
])
SWIN_MERGING = [
    Rule('norm.{param}', 'norm.{param}', MERGING),
    Rule('reduction.weight', 'reduction.weight', MERGING),
]
SWIN = [
    *PATCHES,
    *below('layers.{stage}.blocks.{block}.', 'stages.{stage}.blocks.{block}.', SWIN_BLOCK),
    *below('layers.{stage<last}.downsample.', 'stages.{stage<last}.downsample.', SWIN_MERGING),
]

# Swin V2 norms after the reduction: its channels keep their order
SWIN_V2_MERGING = [
    Rule('norm.{param}', 'norm.{param}'),
    Rule('reduction.weight', 'reduction.weight', MERGING),
]
POSITION_MLP = [
    Rule('0.{param}', '0.{param}'),
    Rule('2.weight', '2.weight'),
]
SWIN_V2_ATTENTION = [
    Rule('logit_scale', 'logit_scale'),
    Rule('q_bias', 'q_bias'),
    Rule('v_bias', 'v_bias'),
    Rule('qkv.weight', 'qkv.weight'),
    *PROJECTION,
    *below('cpb_mlp.', 'cpb_mlp.', POSITION_MLP),
]
SWIN_V2_BLOCK = [
    *NORMS,
    Rule('norm3.{param}', 'norm3.{param}'),
    *MLP,
    *below('attn.', 'attn.w_msa.', SWIN_V2_ATTENTION),
    # the name in the SimMIM zoo; the code of today reads the other
    *below('attn.rpe_mlp.', 'attn.w_msa.cpb_mlp.', POSITION_MLP),
]
SWIN_V2 = [
    *PATCHES,
    *below('layers.{stage}.blocks.{block}.', 'stages.{stage}.blocks.{block}.', SWIN_V2_BLOCK),
    *below('layers.{stage<last}.downsample.', 'stages.{stage+1}.downsample.', SWIN_V2_MERGING),
]
SWIN_BUFFERS = (
    'layers.{stage}.blocks.{block}.attn_mask',
    'layers.{stage}.blocks.{block}.attn.relative_position_index',
    'layers.{stage}.blocks.{block}.attn.relative_coords_table',
)

VIT_BLOCK = [
    Rule('gamma_1', 'gamma_1'),
    Rule('gamma_2', 'gamma_2'),
    Rule('norm1.{param}', 'ln1.{param}'),
    Rule('norm2.{param}', 'ln2.{param}'),
    *MLP,
    *below('attn.', 'attn.', [
        Rule('q_bias', 'q_bias'),
        Rule('v_bias', 'v_bias'),
        Rule('relative_position_bias_table', 'relative_position_bias_table'),
        Rule('qkv.weight', 'qkv.weight'),
        *PROJECTION,
    ]),
]
VIT = [
    Rule('cls_token', 'cls_token'),
    Rule('pos_embed', 'pos_embed'),
    *PATCHES[:2],
    Rule('rel_pos_bias.relative_position_bias_table', 'rel_pos_bias.relative_position_bias_table'),
    *below('blocks.{block}.', 'layers.{block}.', VIT_BLOCK),
    Rule('norm.{param}', 'ln1.{param}'),
]
VIT_BUFFERS = ('rel_pos_bias.relative_position_index', 'blocks.{block}.attn.relative_position_index')
MEAN_NORM = [Rule('fc_norm.{param}', 'ln2.{param}')]

SIMMIM_HEAD = [Rule('decoder.0.{param}', DECODER)]
LINEAR_HEAD = [Rule('head.{param}', CLASSIFIER)]


def _forms(encoder: str, name: str, rules: list[Rule], buffers: tuple[str, ...],
           last_norm: list[Rule], classifier_norm: list[Rule]) -> list[Form]:
    return [
        Form(f'official SimMIM pre-training of {name}', 'official', encoder, 'encoder.', rules + last_norm,
             SIMMIM_HEAD, buffers),
        Form(f'official classifier or encoder, {name}', 'official', encoder, '', rules + classifier_norm,
             LINEAR_HEAD, buffers, ('lm_head.', )),
    ]


OFFICIAL = [
    *_forms('swin', 'Swin', SWIN, SWIN_BUFFERS, LAST_NORM, LAST_NORM),
    *_forms('swin_v2', 'Swin V2', SWIN_V2, SWIN_BUFFERS, LAST_NORM, LAST_NORM),
    *_forms('vit', 'ViT', VIT, VIT_BUFFERS, [], MEAN_NORM),
]
