"""The demo on real images: pre-train, visualize, detect, segment. ``make demo`` runs this.

    python demo/run_demo.py [--work-dir work_dirs/demo] [--compare]

Each training is a call of ``tools/train.py`` with a config of ``configs/demo``; its log is in the work folder. Every
number of the final table is computed in this run. Exits with 1 when pre-training does not clearly beat its baselines.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from mmsimmim.commands.common.threads import limit_thread_spinning  # noqa: E402

limit_thread_spinning()  # before torch is imported

import pictures  # noqa: E402
import torch  # noqa: E402
from held_out import held_out_losses  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402

CONFIGS = dict(
    aerial='configs/demo/simmim_swin-demo-w6_1xb32-120i_aerial-96px.py',
    trees='configs/demo/atss_swin-demo-w8_fpn_1xb2-140i_trees-256px.py',
    nuclei='configs/demo/simmim_swin-demo-w6_1xb32-60i_nuclei-96px.py',
    segmentation='configs/demo/upernet_swin-demo-w8_1xb12-40i_nuclei-128px.py')

# On a CPU only these profit from bfloat16: the backward pass of convolutions, of which necks and decode heads are made,
# is several times slower in it.
PRETRAININGS = ('aerial', 'nuclei')

PRETRAINED = 'SimMIM pre-trained'
MASKED_LOSS = 'masked L1 loss (lower is better)'

# "Clearly": at most this fraction of the best baseline's loss.
CLEARLY = 0.85

PROGRESS = re.compile(r'Iter\(train\)\s*\[\s*(\d+)/(\d+)\].*?eta: ([\d:]+).*?\bloss: ([\d.]+)')


def main() -> None:
    args = parse_args()
    work_dir = args.work_dir.resolve()
    os.chdir(ROOT)
    MMLogger.get_current_instance().setLevel('WARNING')  # the trainings' own logs have it all
    started = time.monotonic()
    print(f'Demo of SimMIM on the images in demo/data. Results go to {relative(work_dir)}. '
          f'Pre-training in {"bfloat16" if has_bfloat16() else "float32"}, {torch.get_num_threads()} threads'
          f'{", " + torch.cuda.get_device_name() if torch.cuda.is_available() else ""}.')

    rows = [
        *pretraining(work_dir),
        *detection(work_dir, args.compare),
        *segmentation(work_dir, args.compare),
    ]
    pictures.compose(work_dir)

    print_table(rows, time.monotonic() - started)
    (work_dir / 'results.json').write_text(json.dumps(rows, indent=1) + '\n')
    print('\nPictures:')
    for name in ('reconstructions.png', 'trees.png', 'nuclei.png', 'demo.jpg'):
        print(f'  {relative(work_dir / name)}')
    if not beats_baselines(rows):
        sys.exit('\nPre-training did not clearly beat its baselines: the held-out loss must be at most '
                 f'{CLEARLY:.0%} of the best of them.')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs' / 'demo')
    parser.add_argument('--compare', action='store_true', help='train detector and segmentor from random weights too')
    return parser.parse_args()


# ---- the steps


def pretraining(work_dir: Path) -> list[dict]:
    """Pre-train on the aerial tiles, compare with the baselines, draw reconstructions of held-out tiles."""
    checkpoint = train('1/4  SimMIM on unlabelled aerial tiles', 'aerial', work_dir / 'pretrain_aerial')
    losses = held_out_losses(CONFIGS['aerial'], checkpoint)
    pictures.draw_reconstructions(CONFIGS['aerial'], checkpoint, work_dir / 'reconstructions.png')
    return [row('aerial tiles, held out', MASKED_LOSS, *item) for item in losses.items()]


def detection(work_dir: Path, compare: bool) -> list[dict]:
    """Train a detector on the tree boxes and draw what it finds."""
    rows = []
    for name, options in starts(work_dir / 'pretrain_aerial', compare):
        folder = work_dir / f'trees_{name.split()[0].lower()}'
        checkpoint = train(f'2/4  ATSS (mmdet) on tree boxes, backbone: {name}', 'trees', folder, options)
        rows += [
            row('trees, ATSS', 'box AP50', name, last_value(folder, 'coco/bbox_mAP_50')),
            row('trees, ATSS', 'box AP', name, last_value(folder, 'coco/bbox_mAP'))
        ]
        if name == PRETRAINED:
            pictures.draw_trees(CONFIGS['trees'], checkpoint, work_dir / 'trees.png')
    return sorted(rows, key=lambda entry: entry['metric'])


def segmentation(work_dir: Path, compare: bool) -> list[dict]:
    """Pre-train on the fluorescence tiles and segment their nuclei from that backbone."""
    pretrained = train('3/4  SimMIM on unlabelled fluorescence tiles', 'nuclei', work_dir / 'pretrain_nuclei')
    losses = held_out_losses(CONFIGS['nuclei'], pretrained)
    rows = [row('fluorescence, held out', MASKED_LOSS, *item) for item in losses.items()]
    for name, options in starts(work_dir / 'pretrain_nuclei', compare):
        folder = work_dir / f'nuclei_{name.split()[0].lower()}'
        checkpoint = train(f'4/4  UPerNet (mmseg) on nuclei, backbone: {name}', 'segmentation', folder, options)
        rows.append(row('nuclei, UPerNet', 'mIoU', name, last_value(folder, 'mIoU') / 100))
        if name == PRETRAINED:
            pictures.draw_nuclei(CONFIGS['segmentation'], checkpoint, work_dir / 'nuclei.png')
    return rows


def starts(pretraining_dir: Path, compare: bool) -> list[tuple[str, list[str]]]:
    """What to train a downstream model from: (name, options for the config)."""
    pretrained = PRETRAINED, [f'model.backbone.init_cfg.checkpoint={last_checkpoint(pretraining_dir)}']
    return [pretrained, ('random weights', ['model.backbone.init_cfg=None'])] if compare else [pretrained]


def beats_baselines(rows: Sequence[dict]) -> bool:
    """Whether each pre-trained model's held-out loss is clearly below all of its baselines."""
    for data in {entry['data'] for entry in rows if entry['metric'] == MASKED_LOSS}:
        losses = {entry['model']: entry['value'] for entry in rows if entry['data'] == data}
        pretrained = losses.pop(PRETRAINED)
        if not pretrained <= CLEARLY * min(losses.values()):
            return False
    return True


# ---- calling the tools


def train(title: str, name: str, folder: Path, options: Sequence[str] = ()) -> Path:
    """Run ``tools/train.py`` in an empty work folder.

    Args:
        title (str): What to print above the progress.
        name (str): Key of :data:`CONFIGS`.
        folder (Path): The work folder.
        options (Sequence[str]): For ``--cfg-options``.

    Returns:
        Path: The last checkpoint.

    Raises:
        SystemExit: If the training fails.
    """
    print(f'\n{title}\n     {CONFIGS[name]}')
    if folder.exists():
        shutil.rmtree(folder)
    command = ['tools/train.py', CONFIGS[name], '--work-dir', str(folder)]
    command += ['--amp'] if has_bfloat16() and (torch.cuda.is_available() or name in PRETRAININGS) else []
    command += ['--cfg-options', *options] if options else []
    started = time.monotonic()
    run(command, folder / 'output.log')
    print(f'     done in {time.monotonic() - started:.0f} s')
    return last_checkpoint(folder)


def has_bfloat16() -> bool:
    """Whether this machine computes in bfloat16 faster than in float32."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return getattr(torch.cpu, '_is_avx512_bf16_supported', lambda: False)()


def run(command: Sequence[str], log: Path) -> None:
    """Run a Python script of the project, writing its output to a file and its progress to the screen."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('w') as file, subprocess.Popen([sys.executable, *command],
                                                 stdout=subprocess.PIPE,
                                                 stderr=subprocess.STDOUT,
                                                 text=True,
                                                 errors='replace') as process:
        for line in process.stdout:
            file.write(line)
            progress = PROGRESS.search(line)
            if progress:
                done, total, left, loss = progress.groups()
                print(f'     iteration {done:>3} of {total}   loss {float(loss):.3f}   {left} left', flush=True)
    if process.returncode != 0:
        tail = ''.join(log.read_text().splitlines(keepends=True)[-15:])
        sys.exit(f'\n{" ".join(command)} failed. The end of {relative(log)}:\n{tail}')


def last_checkpoint(folder: Path) -> Path:
    return Path((folder / 'last_checkpoint').read_text().strip())


def last_value(folder: Path, key: str) -> float:
    """The last value that a training logged under a key."""
    lines = [line for path in sorted(folder.glob('*/vis_data/scalars.json')) for line in path.read_text().splitlines()]
    values = [record[key] for record in map(json.loads, lines) if key in record]
    if not values:
        sys.exit(f'No {key} in the logs below {relative(folder)}.')
    return values[-1]


# ---- output


def row(data: str, metric: str, model: str, value: float) -> dict[str, object]:
    return dict(data=data, metric=metric, model=model, value=round(float(value), 4))


def print_table(rows: Sequence[dict], seconds: float) -> None:
    header = dict(data='data', metric='metric', model='model', value='value')
    widths = {key: max(len(str(entry[key])) for entry in [header, *rows]) for key in header}
    print(f'\nAll of it took {seconds / 60:.1f} minutes.\n')
    previous = None
    for entry in [header, *rows]:
        group = entry['data'], entry['metric']
        if group != previous:
            print('-' * (sum(widths.values()) + 6))
        shown = [*(('', '') if group == previous else group), entry['model']]
        cells = [text.ljust(width) for text, width in zip(shown, widths.values())]
        value = entry['value'] if isinstance(entry['value'], str) else f'{entry["value"]:.3f}'
        print('  '.join([*cells, value.rjust(widths['value'])]))
        previous = group


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == '__main__':
    main()
