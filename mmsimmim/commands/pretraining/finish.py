"""What a finished run leaves: the backbone for every code base, figures, and what to do next."""

import json
import os
from pathlib import Path
from typing import Any

from ...checkpoints import convert_state_dict, read_checkpoint, recognise, state_dict_of, write_checkpoint
from ...checkpoints.resuming.finder import find_checkpoint
from ...checkpoints.storage import writing
from ...errors import UserError
from ...visualization.training_log import read_training
from ..convert_checkpoint import KEYS
from .live import HELD_OUT

SUMMARY = 'summary.json'
# Code base -> the file for it.
EXPORTS = dict(backbone='backbone.pth', timm='backbone_timm.safetensors', hf='backbone_hf.safetensors')


def last_checkpoint(work_dir: Path) -> Path:
    """The last complete checkpoint of a run.

    Raises:
        UserError: There is none.
    """
    found, _ = find_checkpoint([str(work_dir)])
    if found is None:
        raise UserError(f'{work_dir} holds no complete checkpoint.')
    return Path(found)


def export(checkpoint: Path, out: Path) -> dict[str, str]:
    """Write the encoder for mmdet, mmsegmentation and mmpretrain (``backbone``), timm and Hugging Face.

    Args:
        checkpoint (Path): Of a pre-training.
        out (Path): The folder.

    Returns:
        dict[str, str]: Path by code base; of one that has no such encoder the reason.
    """
    weights = state_dict_of(read_checkpoint(str(checkpoint), mmap=True), False)
    origin = recognise(weights).title
    files = {}
    for base, name in EXPORTS.items():
        try:
            converted = convert_state_dict(weights, to=base)
        except ValueError as error:
            files[base] = f'not written: {error}'
            continue
        write_checkpoint(str(out / name), converted, True, dict(origin=origin, converted_to=base), KEYS[base])
        files[base] = str(out / name)
    return files


def figures(work_dir: Path) -> dict[str, Any]:
    """Losses of a run: at its beginning, at its end, and of held-out images."""
    records = read_training(str(work_dir)).records
    losses = [values['loss'] for _, values in records if 'loss' in values]
    held_out = [values[HELD_OUT] for _, values in records if HELD_OUT in values]
    return dict(first_loss=losses[0] if losses else None, last_loss=losses[-1] if losses else None,
                held_out_loss=held_out[-1] if held_out else None,
                best_held_out_loss=min(held_out, default=None))


def write_summary(out: Path, content: dict[str, Any]) -> Path:
    """Write ``summary.json``."""
    path = out / SUMMARY
    temporary = f'{path}.tmp'
    with writing(str(path), temporary):
        Path(temporary).write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
        os.replace(temporary, path)
    return path


def next_commands(config: Path, checkpoint: Path, backbone: str) -> list[str]:
    """Three commands that use what was trained."""
    return [
        f'mmsimmim reconstruct IMAGES {config} {checkpoint} --out-dir {config.parent / "reconstructions"}',
        f'mmsimmim probe {config} {checkpoint} FOLDER_WITH_train_AND_val',
        f'mmsimmim train YOUR_DETECTOR.py --cfg-options model.backbone.init_cfg.checkpoint={backbone}',
    ]
