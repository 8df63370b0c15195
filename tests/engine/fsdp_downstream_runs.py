"""Started in two processes: a detector and a segmentor in the tools, with sharded parameters, DDP and one process."""

import json
import runpy
import sys
import traceback
from pathlib import Path

import torch.distributed

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.commands.common.distributed import ending_connection

REPO = Path(__file__).parents[2]
CONFIGS = {kind: str(Path(__file__).with_name(f'fsdp_{kind}_config.py')) for kind in ('detector', 'segmentor')}
DDP = ['runner_type=Runner', 'model.backbone.with_cp=False']
# Two steps of one process see what one step of two sees: the sampler deals out the images in turn.
ALONE = [*DDP, 'optim_wrapper.accumulative_counts=2']


def run(tool, kind, name, *arguments, options=(), launcher='pytorch'):
    """Run a tool in this process, which goes on after it; returns what it ends with, None for a success."""
    data = [f'{loader}_dataloader.dataset.data_root={DATA}' for loader in ('train', 'val', 'test')]
    if kind == 'detector':
        data += [f'{evaluator}_evaluator.ann_file={DATA}/instances.json' for evaluator in ('val', 'test')]
    name = f'{kind}_{name}'
    sys.argv = [tool, CONFIGS[kind], *arguments, '--launcher', launcher, '--work-dir', f'{OUT}/{name}',
                '--cfg-options', f'experiment_name={name}', f'visualizer.name={name}', *data, *options]
    try:
        runpy.run_path(str(REPO / 'tools' / tool), run_name='__main__')
    except SystemExit as end:
        return str(end.code)
    except Exception:
        return traceback.format_exc()


def train(kind, name, *arguments, **kwargs):
    return run('train.py', kind, name, *arguments, **kwargs)


def test(kind, name, *arguments, **kwargs):
    return run('test.py', kind, name, f'{OUT}/{kind}_sharded/epoch_2.pth', '--save-predictions', f'{OUT}/{kind}_{name}',
               *arguments, **kwargs)


def main():
    messages = {}
    with ending_connection():
        torch.distributed.init_process_group('gloo')
        for kind in CONFIGS:
            tta = ['--tta'] if kind == 'segmentor' else []
            messages |= {
                f'{kind} sharded': train(kind, 'sharded'),
                f'{kind} ddp': train(kind, 'ddp', options=DDP),
                f'{kind} resumed': train(kind, 'resumed', '--resume', f'{OUT}/{kind}_sharded/epoch_1.pth'),
                f'{kind} test': test(kind, 'test', *tta),
                f'{kind} test ddp': test(kind, 'test_ddp', *tta, options=DDP),
            }
        rank = torch.distributed.get_rank()
    kind = list(CONFIGS)[rank]
    messages[f'{kind} alone'] = train(kind, 'alone', options=ALONE, launcher='none')
    Path(OUT, f'messages_{rank}.json').write_text(json.dumps(messages))


if __name__ == '__main__':
    OUT, DATA = sys.argv[1:]
    main()
