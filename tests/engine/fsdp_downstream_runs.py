"""Started in two processes: models of three frameworks in the tools, with sharded parameters, DDP and one process."""

import runpy
import sys
import traceback
from pathlib import Path

import torch.distributed

import mmsimmim  # noqa: F401  (repairs before the frameworks)
from mmsimmim.commands.common.distributed import ending_connection
from tests.engine.fsdp_parts import check
from tests.plain_configs import write_plain_configs

REPO = Path(__file__).parents[2]
DDP = ['runner_type=Runner', 'model.backbone.with_cp=False']
# Two steps of one process see what one step of two sees: the sampler deals out the images in turn.
ALONE = [*DDP, 'optim_wrapper.accumulative_counts=2']


def run(tool, kind, name, *arguments, options=(), launcher='pytorch'):
    """Run a tool in this process, which goes on after it; returns what it ends with, None for a success."""
    data = [f'{loader}_dataloader.dataset.data_root={DATA}' for loader in ('train', 'val', 'test')]
    if kind == 'detector':
        data += [f'{evaluator}_evaluator.ann_file={DATA}/instances.json' for evaluator in ('val', 'test')]
    name = f'{kind}_{name}'
    sys.argv = [tool, str(Path(__file__).with_name(f'fsdp_{kind}_config.py')), *arguments, '--launcher', launcher,
                '--work-dir', f'{OUT}/{name}', '--cfg-options', f'experiment_name={name}', f'visualizer.name={name}',
                *data, *options]
    try:
        runpy.run_path(str(REPO / 'tools' / tool), run_name='__main__')
    except SystemExit as end:
        return str(end.code)
    except Exception:
        return traceback.format_exc()


def train(kind, name, *arguments, **kwargs):
    return run('train.py', kind, name, *arguments, **kwargs)


def test(kind, name, *arguments, **kwargs):
    """Test the weights of the run 'sharded' and write predictions."""
    return run('test.py', kind, name, f'{OUT}/{kind}_sharded/epoch_2.pth', '--save-predictions', f'{OUT}/{kind}_{name}',
               '--out', f'{OUT}/{kind}_{name}.json', *arguments, **kwargs)


def train_and_test(kind, *test_arguments):
    return {
        f'{kind}, sharded': train(kind, 'sharded'),
        f'{kind}, DDP': train(kind, 'ddp', options=DDP),
        f'{kind}, test': test(kind, 'test', *test_arguments),
        f'{kind}, test with DDP': test(kind, 'test_ddp', *test_arguments, options=DDP),
    }


def main():
    write_plain_configs()
    with ending_connection():
        torch.distributed.init_process_group('gloo')
        rank = torch.distributed.get_rank()
        parts = check()
        messages = {
            **train_and_test('detector'),
            **train_and_test('segmentor', '--tta'),
            'detector, sharded, resumed from DDP': train('detector', 'resumed', '--resume',
                                                         f'{OUT}/detector_ddp/epoch_1.pth'),
            'segmentor, sharded, resumed': train('segmentor', 'resumed', '--resume',
                                                 f'{OUT}/segmentor_sharded/epoch_1.pth'),
            'segmentor, DDP, resumed from shards': train('segmentor', 'ddp_resumed', '--resume',
                                                         f'{OUT}/segmentor_sharded/epoch_1.pth', options=DDP),
            'classifier, sharded': train('classifier', 'sharded'),
            'classifier, DDP': train('classifier', 'ddp', options=DDP),
        }
    kind = ('detector', 'segmentor')[rank]
    messages[f'{kind}, one process'] = train(kind, 'alone', options=ALONE, launcher='none')
    torch.save(dict(messages=messages, parts=parts), f'{OUT}/process_{rank}.pth')


if __name__ == '__main__':
    OUT, DATA = sys.argv[1:]
    main()
