"""Started in two processes: the tools, several times with sharded parameters and several times with DDP."""

import json
import runpy
import sys
import traceback
from pathlib import Path

import torch.distributed

import mmsimmim  # noqa: F401  lets torch read MMEngine's checkpoints
from mmsimmim.checkpoints import convert_state_dict
from mmsimmim.commands.common.distributed import ending_connection
from tests.plain_configs import write_plain_configs

REPO = Path(__file__).parents[2]
SHARDED = Path(__file__).with_name('fsdp_config.py')
TOKENS = Path(__file__).with_name('fsdp_tokens_config.py')
# Not fused, so that each comparison is one of both, and checkpoints pass between them.
WHOLE = ['runner_type=Runner', 'model.backbone.with_cp=False', 'optim_wrapper.optimizer.fused=False']
WRAPPER = ['model_wrapper_cfg.gradient_as_bucket_view=True', 'model_wrapper_cfg.broadcast_buffers=False']
COMPILED = ['compile.backend=aot_eager', 'train_cfg.max_epochs=1']
BFLOAT16 = ['optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.dtype=bfloat16', 'optim_wrapper.loss_scale=1.0',
            'optim_wrapper.accumulative_counts=2', 'train_cfg.max_epochs=1']


def train(name, options, *arguments, config=SHARDED):
    """Run tools/train.py in this process, which goes on after it; returns what it ends with, None for a success."""
    return run('train.py', name, [str(config), *arguments], options)


def run(tool, name, arguments, options=()):
    sys.argv = [tool, *arguments, '--launcher', 'pytorch', '--work-dir', f'{OUT}/{name}', '--cfg-options',
                f'experiment_name={name}', *DATA, *options]
    try:
        runpy.run_path(str(REPO / 'tools' / tool), run_name='__main__')
    except SystemExit as end:
        return str(end.code)
    except Exception:
        return traceback.format_exc()


def train_from_official_file():
    """Start from the weights of the run 'whole' under the official names, and leave them as they are."""
    path = f'{OUT}/official.pth'
    if torch.distributed.get_rank() == 0:
        weights = torch.load(f'{OUT}/whole/epoch_2.pth', weights_only=True)['state_dict']
        torch.save(dict(model=convert_state_dict(weights, to='official')), path)
    torch.distributed.barrier()
    return train('loaded', [f'load_from={path}', 'optim_wrapper.optimizer.lr=0.', 'train_cfg.max_epochs=1'])


@ending_connection()
def main():
    write_plain_configs()
    torch.distributed.init_process_group('gloo')
    messages = {
        'sharded': train('sharded', []),
        'whole': train('whole', WHOLE),
        'test': run('test.py', 'test', [str(SHARDED), f'{OUT}/sharded/epoch_2.pth', '--out', f'{OUT}/metrics.json']),
        'resumed': train('resumed', [], '--resume', f'{OUT}/sharded/epoch_1.pth'),
        'whole, resumed sharded': train('resumed_whole', [], '--resume', f'{OUT}/whole/epoch_1.pth'),
        'sharded, resumed whole': train('resumed_sharded', WHOLE, '--resume', f'{OUT}/sharded/epoch_1.pth'),
        'official file': train_from_official_file(),
        'bf16': train('bf16', BFLOAT16),
        'whole bf16': train('whole_bf16', [*WHOLE, *BFLOAT16]),
        'compiled': train('compiled', COMPILED),
        'whole compiled': train('whole_compiled', [*WHOLE, *COMPILED, *WRAPPER]),
        'other architecture': train('other', ['model.backbone.arch.embed_dims=16', 'model.neck.in_channels=128'],
                                    '--resume', f'{OUT}/sharded/epoch_2.pth'),
        'own pictures': train('pictures', [f'default_hooks.reconstruction.images=[{images}/0.png]',
                                           'train_cfg.max_epochs=1']),
        'tokens': train('tokens', [], config=TOKENS),
        'whole tokens': train('whole_tokens', WHOLE, config=TOKENS),
        'resumed tokens': train('resumed_tokens', [], '--resume', f'{OUT}/tokens/epoch_1.pth', config=TOKENS),
        'no such unit': train('unit', ['strategy.units=[SwinBlock5]']),
    }
    if torch.distributed.get_rank() == 0:
        (Path(OUT) / 'messages.json').write_text(json.dumps(messages))


if __name__ == '__main__':
    OUT, images = sys.argv[1:]
    DATA = [f'{loader}_dataloader.dataset.data_root={images}' for loader in ('train', 'val', 'test')]
    main()
