"""Say what a state dict that cannot be converted seems to hold."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from ..errors import shown

# The first pattern that matches a key decides.
SIGNS = [
    (r'(^|\.)layer1\.0\.conv1\.weight', 'a ResNet'),
    (r'downsample_layers\.|\.dwconv\.|\.conv_dw\.|depthwise_conv', 'a ConvNeXt or another convolutional network'),
    (r'(^|\.)features\.\d+\.\d+\.attn\.relative_position_bias_table',
     "torchvision's Swin, which is not converted: take the same weights from timm or microsoft/Swin-Transformer"),
    (r'\.attn\.meta_mlp\.', "timm's swinv2_cr, which is another network than Swin V2"),
    (r'(^|\.)decoder_(blocks|embed|pred)\.', 'a pre-trained MAE, whose ViT has no relative position bias'),
    (r'in_proj_weight|^(\w+\.)?blocks\.\d+\.attn\.qkv\.bias|^(\w+\.)*layers?\.\d+\.attention\..*(key|k_proj)\.bias',
     'an ordinary ViT (its keys have a bias: DeiT, MAE, DINO, CLIP); SimMIM has the ViT of BEiT, whose keys have none'),
    (r'(^|\.)(running_mean|running_var)$', 'a convolutional network'),
]


def describe_unknown(state_dict: dict[Any, Any], near_miss: tuple[str, Sequence[str]] | None) -> str:
    """Describe what a dict seems to be, and what to do.

    Args:
        state_dict (dict): Anything.
        near_miss (tuple[str, Sequence[str]], optional): What it nearly is, and the keys that do not belong to that.

    Returns:
        str: One sentence or two, no full stop at the end.
    """
    if not state_dict:
        return 'it is empty'
    names = [str(key) for key in state_dict]
    wrong = [str(key) for key, value in state_dict.items() if not isinstance(value, Tensor)]
    if {'state', 'param_groups'} <= set(names):
        return 'it is the state of an optimizer; the parameters are in another file'
    if wrong:
        return (f'it holds more than tensors ({_list(wrong)}); of a checkpoint, give the dictionary of '
                "parameters inside, checkpoint['model'] or checkpoint['state_dict']")
    for pattern, description in SIGNS:
        if any(re.search(pattern, name) for name in names):
            return f'it seems to hold {description} (keys {_list(names)})'
    if near_miss is not None:
        title, strangers = near_miss
        return (f'it is nearly: {title}, but {len(strangers)} of {len(names)} keys are no part of that: '
                f'{_list(strangers)}')
    return f'{len(names)} parameters of an unknown network: {_list(names)}'


def _list(names: Iterable[str], count: int = 4) -> str:
    names = list(names)
    return ', '.join(map(shown, names[:count])) + (', ...' if len(names) > count else '')
