"""Convert a checkpoint of Swin, Swin V2 or ViT between SimMIM's code bases; what it holds is recognised by content."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import UserError, shown
from .common.mistakes import report_mistakes

if TYPE_CHECKING:
    from torch import Tensor

# The key under which each code base expects the parameters in a .pth file; None: the whole file.
KEYS = dict(mmsimmim='state_dict', official='model', mmpretrain='state_dict', mmdet='state_dict', mmseg='state_dict',
            timm=None, hf=None, backbone='state_dict')

EXAMPLES = """examples:
  official file to one for mmdet and mmsegmentation:
    python -m mmsimmim convert_checkpoint simmim_pretrain__swin_base.pth backbone.pth --to backbone
  our pre-training for Hugging Face:
    python -m mmsimmim convert_checkpoint work_dirs/x/epoch_100.pth model.safetensors --to hf
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='IN', help='checkpoint: .pth, .pt, .bin or .safetensors')
    parser.add_argument('target', metavar='OUT', help='file to write; .safetensors, or .pth, .pt, .bin for torch.save')
    parser.add_argument('--to', required=True, choices=KEYS,
                        help='code base; backbone: the bare encoder, for init_cfg of any framework')
    parser.add_argument('--ema', action='store_true', help='take the running average of the parameters in the file')
    parser.add_argument('--force', action='store_true', help='replace OUT if it exists')
    return parser.parse_args(argv)


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from torch import Tensor

    from ..checkpoints import convert_state_dict, read_checkpoint, recognise, state_dict_of, write_checkpoint
    from ..checkpoints.reading.files import check_target
    from ..checkpoints.report import describe, incomplete_blocks, left_out
    from ..checkpoints.weights import find_weights

    target = os.path.expanduser(args.target)
    check_target(target, args.force)
    checkpoint = read_checkpoint(args.source, mmap=True)
    try:
        weights = state_dict_of(checkpoint, args.ema)
        contents = recognise(weights)
        converted = convert_state_dict(weights, to=args.to)
    except ValueError as error:
        raise UserError(f'{args.source} was not converted: {error}') from error
    meta = dict(origin=contents.title, converted_to=args.to, converted_by=f'mmsimmim {__version__}')
    write_checkpoint(target, converted, args.force, meta, KEYS[args.to])

    print(f'{args.source} holds {describe(contents)}.')
    print(f'Converted to {args.to}: {len(converted)} tensors, {count(converted)}.')
    not_read, without_place = left_out(weights, converted)
    others = [str(name) for name, value in find_weights(checkpoint, args.ema).items() if not isinstance(value, Tensor)]
    print_names('Left out, not tensors', others)
    print_names('Left out, buffers and other parts', not_read)
    print_names(f'Left out, without a place in {args.to}', without_place)
    missing = incomplete_blocks(weights)
    if missing:
        print_names('WARNING: the file is not whole. Some blocks lack what others of their stage have', missing)
    print(f'Written to {target} ({os.path.getsize(target) / 2**20:.1f} MiB).')


def print_names(title: str, names: list[str]) -> None:
    """A title with the number of names, and the names."""
    print(f'{title}: {len(names)}{": " if names else ""}{", ".join(map(shown, names))}')


def count(state_dict: dict[str, Tensor]) -> str:
    """Number of values in words."""
    return f'{sum(tensor.numel() for tensor in state_dict.values()) / 1e6:.1f} million values'

