"""Shrunk files in the layouts in which Swin V2 is published, written from the authors' names and shapes.

Sources: ``models/swin_transformer_v2.py``, ``models/simmim.py`` and ``utils_simmim.py`` of microsoft/Swin-Transformer;
``pytorch_caney/models/`` of nasa-nccs-hpda/pytorch-caney; ``_save_checkpoint`` of DeepSpeed's ``runtime/engine.py``.
"""

from collections import OrderedDict

import torch

from mmsimmim.checkpoints import read_checkpoint
from tests.golden import DATA

BUFFERS = ('relative_coords_table', 'relative_position_index', 'attn_mask')
SHRUNK = dict(embed_dims=8, depths=[2, 2, 6, 2], num_heads=[1, 2, 2, 4])


def official_swin_v2(embed_dims, depths, num_heads, extra_norm_every_n_blocks=0, windows=(6, 6, 6, 3), maps=24,
                     in_channels=3, num_classes=None, position='cpb_mlp', dtype=torch.float32):
    """Random parameters and the buffers, names as in pre-training, or as a classifier where it has classes."""
    shapes = {'mask_token': (1, 1, embed_dims), 'patch_embed.proj.weight': (embed_dims, in_channels, 4, 4),
              'patch_embed.proj.bias': (embed_dims, ), **norm('patch_embed.norm', embed_dims)}
    for stage, (depth, heads, window) in enumerate(zip(depths, num_heads, windows)):
        channels, side = embed_dims * 2**stage, maps // 2**stage
        for block in range(depth):
            extra = extra_norm_every_n_blocks and (block + 1) % extra_norm_every_n_blocks == 0
            shapes |= below(f'layers.{stage}.blocks.{block}', {
                **block_shapes(channels, heads, window, position), **(norm('norm3', channels) if extra else {}),
                **({'attn_mask': ((side // window)**2, window**2, window**2)} if block % 2 and side > window else {})})
        if stage < len(depths) - 1:
            shapes |= below(f'layers.{stage}.downsample', {'reduction.weight': (2 * channels, 4 * channels),
                                                           **norm('norm', 2 * channels)})
    shapes |= norm('norm', channels)
    if num_classes:
        del shapes['mask_token']
        shapes |= {'head.weight': (num_classes, channels), 'head.bias': (num_classes, )}
    else:
        outputs = 32 * 32 * in_channels
        decoder = {'decoder.0.weight': (outputs, channels, 1, 1), 'decoder.0.bias': (outputs, )}
        shapes = below('encoder', shapes) | decoder
    dice = torch.Generator().manual_seed(0)
    return {name: buffer(name, shape, dtype) if name.endswith(BUFFERS) else
            (torch.randn(shape, generator=dice) * 0.2).to(dtype) for name, shape in shapes.items()}


def buffer(name, shape, dtype):
    """Coordinates as the authors compute them, for a window of the training; zeros for indices and masks."""
    if not name.endswith('relative_coords_table'):
        return torch.zeros(shape, dtype=torch.int64 if name.endswith('index') else dtype)
    offsets = torch.linspace(-8, 8, shape[1])
    offsets = offsets.sign() * (offsets.abs() + 1).log2() / 3
    return torch.stack(torch.meshgrid(offsets, offsets, indexing='ij'), dim=-1)[None].to(dtype)


def block_shapes(channels, heads, window, position):
    attention = {
        'logit_scale': (heads, 1, 1), 'q_bias': (channels, ), 'v_bias': (channels, ),
        'relative_coords_table': (1, 2 * window - 1, 2 * window - 1, 2),
        'relative_position_index': (window**2, window**2),
        f'{position}.0.weight': (512, 2), f'{position}.0.bias': (512, ), f'{position}.2.weight': (heads, 512),
        'qkv.weight': (3 * channels, channels), 'proj.weight': (channels, channels), 'proj.bias': (channels, )}
    return {**norm('norm1', channels), **below('attn', attention), **norm('norm2', channels),
            'mlp.fc1.weight': (4 * channels, channels), 'mlp.fc1.bias': (4 * channels, ),
            'mlp.fc2.weight': (channels, 4 * channels), 'mlp.fc2.bias': (channels, )}


def norm(name, channels):
    return {f'{name}.weight': (channels, ), f'{name}.bias': (channels, )}


def below(prefix, shapes):
    return {f'{prefix}.{name}': shape for name, shape in shapes.items()}


def learned(state):
    """Parameters in their names of today, without buffers."""
    return {name.replace('rpe_mlp', 'cpb_mlp'): value for name, value in state.items() if not name.endswith(BUFFERS)}


def as_the_authors_save(state, config, epoch=799, **others):
    """The content of a file of their ``save_checkpoint``; an epoch had 625 iterations, of 2048 images."""
    rate, warmup = (official_recipe('finetune' if 'finetune' in config['MODEL']['NAME'] else 'pretrain')['TRAIN'][key]
                    for key in ('BASE_LR', 'WARMUP_EPOCHS'))
    optimizer = dict(state={}, param_groups=[dict(lr=rate / 10, initial_lr=rate, lr_scale=1., params=[0])])
    scheduler = dict(base_values=[rate / 2, rate], warmup_t=625 * warmup, warmup_lr_init=2e-6, t_in_epochs=False,
                     metric=None)
    return dict(model=state, optimizer=optimizer, lr_scheduler=scheduler, scaler=dict(scale=65536., growth_factor=2.),
                max_accuracy=0., epoch=epoch, config=config) | others


def as_deepspeed_saves(state, prefix='', **others):
    """The content of ``mp_rank_00_model_states.pt`` of ZeRO 2."""
    module = OrderedDict((prefix + name, value) for name, value in state.items())
    shapes = OrderedDict((name, value.shape) for name, value in module.items() if not name.endswith(BUFFERS))
    return dict(
        module=module, buffer_names=[name for name in module if name.endswith(BUFFERS)], optimizer=None,
        param_shapes=[shapes], frozen_param_shapes=None, shared_params={}, frozen_param_fragments=None,
        lr_scheduler=dict(last_batch_iteration=99), data_sampler=None, random_ltd=None,
        sparse_tensor_module_names=set(), skipped_steps=0, global_steps=100, global_samples=6400, dp_world_size=8,
        mp_world_size=1,
        ds_config=dict(train_micro_batch_size_per_gpu=64, zero_optimization=dict(stage=2)),
        ds_version='0.14.0') | others


def sat_vision():
    """NASA's SatVision-TOA, shrunk: 14 bands, 128 px, window 8, extra norms; its weights are of 16 bits."""
    return official_swin_v2(**SHRUNK, extra_norm_every_n_blocks=6, windows=(8, 8, 8, 4), maps=32, in_channels=14,
                            dtype=torch.bfloat16)


def official_recipe(name):
    """Settings of the ``'pretrain'`` or ``'finetune'`` run of Swin V2-B that yacs pickled, as they are read."""
    return read_checkpoint(str(DATA / 'yacs_recipes.pth'))[name]
