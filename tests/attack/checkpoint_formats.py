"""Whole checkpoints of every format that is read, and readers of them that share nothing with the program's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file

from mmsimmim.checkpoints import convert_state_dict
from tests.models.tiny import build


class Format(NamedTuple):
    """One of the formats.

    Args:
        title (str): For the table.
        name (str): Of the file.
        verified (bool): Whether the format has checksums.
        save (Callable): Writes a content to a path.
        content (Any): What a whole file holds.
    """

    title: str
    name: str
    verified: bool
    save: Callable[[Any, Path], None]
    content: Any

    def read(self, path: Path) -> Any:
        """The content of a file, by other code than the program's."""
        if self.name.endswith('.safetensors'):
            return read_safetensors(path)
        return torch.load(path, weights_only=True, mmap=False)


def formats(training: dict[str, Any]) -> list[Format]:
    """All of them, with the weights of one tiny network and the state of its training.

    Args:
        training (dict[str, Any]): What MMEngine wrote.
    """
    ours = training['state_dict']
    names = {to: convert_state_dict(ours, to=to) for to in ('official', 'timm', 'mmpretrain')}
    vit, swin_v2 = (build(encoder=encoder).state_dict() for encoder in ('vit', 'swin_v2'))
    official = dict(
        model=names['official'],
        epoch=3,
        config=dict(MODEL=dict(TYPE='swin'), TRAIN=dict(BASE_LR=1e-3)),
        optimizer=training['optimizer'],
        lr_scheduler=dict(base_values=[1e-3], warmup_t=10),
    )
    average = dict(training, ema_state_dict={f'module.{name}': value for name, value in ours.items()})
    deepspeed = dict(
        module=names['official'],
        ds_version='0.14',
        param_shapes=[{name: value.shape for name, value in names['official'].items()}],
        mp_world_size=1,
        global_steps=3,
    )
    return [
        Format('training state (.pth)', 'epoch_1.pth', True, torch.save, training),
        Format('EMA beside the weights (.pth)', 'ema.pth', True, torch.save, average),
        Format('official SimMIM (.pth)', 'official.pth', True, torch.save, official),
        Format('DeepSpeed, ZeRO 2 (.pt)', 'mp_rank_00_model_states.pt', True, torch.save, deepspeed),
        Format('timm (.bin)', 'timm.bin', True, torch.save, dict(names['timm'])),
        Format('mmpretrain (.pth)', 'mmpretrain.pth', True, torch.save, dict(state_dict=names['mmpretrain'])),
        Format(
            'official ViT, as BEiT (.pth)',
            'vit.pth',
            True,
            torch.save,
            dict(model=convert_state_dict(vit, to='official')),
        ),
        Format('before PyTorch 1.6 (.pth)', 'legacy.pth', False, save_legacy, dict(model=names['official'], epoch=3)),
        Format('safetensors', 'official.safetensors', False, save_safetensors, dict(names['official'])),
        Format(
            'Hugging Face Swin V2 (safetensors)',
            'hf.safetensors',
            False,
            save_safetensors,
            convert_state_dict(swin_v2, to='hf'),
        ),
    ]


def save_legacy(content: Any, path: Path) -> None:
    """As torch.save did before PyTorch 1.6."""
    torch.save(content, path, _use_new_zipfile_serialization=False)


def save_safetensors(content: dict[str, torch.Tensor], path: Path) -> None:
    """Copies, as safetensors takes no two tensors of one storage."""
    save_file({name: value.contiguous().clone() for name, value in content.items()}, str(path))


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """As the format is described: a length, a header in JSON, and the numbers."""
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], 'little')
    header, values = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    kinds = dict(F64='f8', F32='f4', F16='f2', I64='i8', I32='i4', I16='i2', I8='i1', U8='u1', BOOL='?')
    return {
        name: torch.from_numpy(
            np.frombuffer(values[slice(*entry['data_offsets'])], kinds[entry['dtype']]).reshape(entry['shape']).copy()
        )
        for name, entry in header.items()
        if name != '__metadata__'
    }


def weights_of(content: Any) -> dict[str, torch.Tensor]:
    """The parameters in the content of one of these files, with the names in it."""
    for key in ('state_dict', 'model', 'module'):
        if key in content:
            return content[key]
    return content
