"""The gain by pre-training in detection and segmentation: Mask R-CNN and UPerNet from SimMIM and from random weights.

DATA_DIR holds images/{train,val}/, instances_{train,val}.json (COCO, with masks) and labels/{train,val}/*.png (0 for
the background, then the categories in the order of their ids). All training images serve the pre-training, without
labels; shares of them, with labels, the training of both networks, for as many steps from either start. Each start uses
the learning rate with which it did best at 30 % of the labels, on another draw than those that are reported. Everything
that is finished is kept in OUT, so that the same command resumes after an interruption. The tables are in
OUT/results.md, all numbers in OUT/results.json.
"""

import argparse
import json
import logging
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.threads import limit_thread_spinning  # noqa: E402

limit_thread_spinning()

from mmengine.runner import find_latest_checkpoint  # noqa: E402

from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.kept_parts import Parts, mean_and_spread, train, write_results  # noqa: E402
from tools.benchmarks.transfer.dense_transfer_configs import det_config, pretrain_config, seg_config  # noqa: E402
from tools.benchmarks.transfer.dense_transfer_presets import PRESETS, Preset  # noqa: E402

STARTS = ('random', 'SimMIM')
# By task: measures of the validation images; the last one chooses the learning rate.
MEASURES = dict(det={'box AP': 'coco/bbox_mAP', 'mask AP': 'coco/segm_mAP'}, seg={'mIoU': 'mIoU'})
TITLES = dict(det='Mask R-CNN', seg='UPerNet')
PERCENT_OF_CHOICE = 30
# The learning rates are chosen on other draws of labels and numbers than those that are reported.
SEED_OF_CHOICE = 1000


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data', metavar='DATA_DIR', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='folder for results, logs and the checkpoint')
    parser.add_argument('--preset', choices=PRESETS, default='cpu', help='size of everything (default: cpu)')
    parser.add_argument('--tasks', nargs='+', choices=['pretraining', *MEASURES], default=list(MEASURES),
                        help='what to train after the pre-training, which comes first if it is not there; '
                        '"pretraining" alone stops behind it. Then det and seg may run side by side (default: both)')
    parser.add_argument('--seeds', type=int, default=3, help='trainings of each kind (default: 3)')
    return parser.parse_args()


class Benchmark:
    """All parts, each run once and kept.

    Args:
        preset (Preset): The size.
        data (Path): Folder with images, COCO files and label maps.
        out (Path): Folder for everything that is made.
        seeds (int): Trainings of each kind.

    Raises:
        UserError: ``data`` lacks something, or ``out`` holds parts of other sizes.
    """

    def __init__(self, preset: Preset, data: Path, out: Path, seeds: int) -> None:
        self.preset = preset
        self.images, self.labels = ({side: data / kind / side for side in ('train', 'val')}
                                    for kind in ('images', 'labels'))
        self.annotations = {side: data / f'instances_{side}.json' for side in ('train', 'val')}
        self._require_layout()
        self.coco = json.loads(self.annotations['train'].read_text())
        self.categories = [category['name'] for category in sorted(self.coco['categories'], key=lambda c: c['id'])]
        self.out = out
        self.seeds = range(seeds)
        self.parts = Parts(out, preset)

    def run(self, tasks: list[str]) -> dict:
        """Run what is not yet there, and give all results, those of other processes among them.

        Args:
            tasks (list[str]): Of 'det' and 'seg'; others are ignored.
        """
        self.pretrain()
        for task in MEASURES:
            if task not in tasks:
                continue
            rates = {start: self.choose_lr(task, start) for start in STARTS}
            for seed in self.seeds:
                for percent in self.preset.percents:
                    for start in STARTS:
                        self.finetune(task, start, percent, seed, rates[start])
                        self.write()
        return self.write()

    def pretrain(self) -> dict:
        """Pre-train, from the last checkpoint if there is one.

        Returns:
            dict: ``losses``, at about ten points of the training the mean of ten steps, and ``seconds``.
        """
        return self.parts.keep('pretraining', self._pretrain)

    def _pretrain(self) -> dict:
        work_dir = self.out / 'pretraining'
        cfg = pretrain_config(self.preset, self.images['train'], work_dir)
        cfg.resume = find_latest_checkpoint(work_dir) is not None
        train(cfg)
        lines = [json.loads(line) for path in sorted(work_dir.glob('*/vis_data/*scalars.json'))
                 for line in path.read_text().splitlines()]
        # By step: an interrupted run has logged some of them twice.
        losses = {line['step']: dict(step=line['step'], loss=line['loss']) for line in lines if 'loss' in line}
        return dict(losses=[losses[step] for step in sorted(losses)])

    def choose_lr(self, task: str, start: str) -> float:
        """The learning rate with which a start does best, on a draw that is not reported."""
        for lr in self.preset.lrs[task]:
            self.finetune(task, start, PERCENT_OF_CHOICE, SEED_OF_CHOICE, lr)
        return best_lr(self.tried(task, start), task)

    def tried(self, task: str, start: str) -> list[dict]:
        """The trainings that choose the learning rate, as far as they are finished."""
        return self._finished([(task, start, PERCENT_OF_CHOICE, SEED_OF_CHOICE, lr) for lr in self.preset.lrs[task]])

    def finetune(self, task: str, start: str, percent: int, seed: int, lr: float) -> dict:
        """Train a detector or segmentor with labels, the encoder included.

        Args:
            task (str): 'det' or 'seg'.
            start (str): 'random' or 'SimMIM'.
            percent (int): How many of the training images have labels.
            seed (int): Of the choice of images and the training.
            lr (float): Peak learning rate.

        Returns:
            dict: The arguments, the measures (on the validation images after the last step, percent), ``images``
            (how many were trained on) and ``seconds``.
        """
        facts = dict(task=task, start=start, percent=percent, seed=seed, lr=lr)
        return self.parts.keep(name_of(**facts), lambda: facts | self._finetune(**facts))

    def _finetune(self, task: str, start: str, percent: int, seed: int, lr: float) -> dict:
        training = dict(
            work_dir=self.out / 'training' / name_of(task, start, percent, seed, lr), lr=lr, seed=seed,
            checkpoint=Path(find_latest_checkpoint(self.out / 'pretraining')) if start == 'SimMIM' else None)
        subset = self._subset(percent, seed)
        if task == 'det':
            cfg = det_config(self.preset, self.images, self.annotations | dict(train=subset), self.categories,
                             **training)
        else:
            cfg = seg_config(self.preset, self.images, self.labels, subset.with_suffix('.txt'),
                             ['background', *self.categories], self._suffix(), **training)
        scalars = train(cfg).message_hub.log_scalars
        # CocoMetric has no numbers where a detector found nothing.
        measures = {name: float(scalars[f'val/{key}'].current()) if f'val/{key}' in scalars else 0.
                    for name, key in MEASURES[task].items()}
        # CocoMetric gives fractions, IoUMetric percent.
        scale = 100 if task == 'det' else 1
        return dict(images=len(subset.with_suffix('.txt').read_text().splitlines()),
                    **{name: round(scale * value, 2) for name, value in measures.items()})

    def _subset(self, percent: int, seed: int) -> Path:
        """A COCO file with a share of the training images, at least one; beside it a .txt with their names."""
        images = sorted(self.coco['images'], key=lambda image: image['file_name'])
        number = max(1, round(len(images) * percent / 100))
        chosen = sorted(random.Random(seed).sample(range(len(images)), number))
        images = [images[i] for i in chosen]
        ids = {image['id'] for image in images}
        path = self.out / 'subsets' / f'{percent}_{seed}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.coco | dict(
            images=images, annotations=[a for a in self.coco['annotations'] if a['image_id'] in ids])))
        path.with_suffix('.txt').write_text('\n'.join(Path(image['file_name']).stem for image in images) + '\n')
        return path

    def _require_layout(self) -> None:
        for path in [*self.images.values(), *self.labels.values(), *self.annotations.values()]:
            if not path.exists():
                raise UserError(f'{path} is not there: DATA_DIR must hold images/ and labels/ (both with train/ and '
                                'val/), instances_train.json and instances_val.json.')

    def _suffix(self) -> str:
        suffixes = sorted({Path(image['file_name']).suffix for image in self.coco['images']})
        if len(suffixes) != 1:
            raise UserError(f"{self.annotations['train']}: images end in {', '.join(suffixes)}, but mmsegmentation's "
                            'BaseSegDataset wants one ending for all. Convert them, or leave "seg" out of --tasks.')
        return suffixes[0]

    def _finished(self, trainings: list[tuple]) -> list[dict]:
        return [part for training in trainings if (part := self.parts.find(name_of(*training))) is not None]

    def write(self) -> dict:
        """Collect what is finished, whichever process did it, and write it with its tables."""
        results = dict(preset=self.preset.__dict__, images={
            side: len(json.loads(path.read_text())['images']) for side, path in self.annotations.items()},
            pretraining=self.parts.find('pretraining'), choice={}, training=[])
        for task, lrs in self.preset.lrs.items():
            tried = {start: self.tried(task, start) for start in STARTS}
            if any(len(runs) < len(lrs) for runs in tried.values()):
                continue
            results['choice'][task] = tried
            rates = {start: best_lr(runs, task) for start, runs in tried.items()}
            results['training'] += self._finished([
                (task, start, percent, seed, rates[start]) for seed in self.seeds for percent in self.preset.percents
                for start in STARTS])
        write_results(self.out / 'results', results, tables(results))
        return results


def name_of(task: str, start: str, percent: int, seed: int, lr: float) -> str:
    return f'{task}_{start}_{percent}_{seed}_{lr:g}'


def best_lr(runs: list[dict], task: str) -> float:
    """The learning rate of the best of ``runs``, by the task's last measure."""
    measure = list(MEASURES[task])[-1]
    return max(runs, key=lambda run: run[measure])['lr']


def tables(results: dict) -> str:
    """All tables, in Markdown."""
    lines = []
    for task, tried in results['choice'].items():
        lines += [f'{TITLES[task]}', '', *_table(results, task), '', *_rates(tried, task), '']
    if results['pretraining']:
        lines += ['| steps of pre-training | loss |', '| --- | --- |']
        lines += [f"| {point['step']} | {point['loss']:.4f} |" for point in results['pretraining']['losses']]
    return '\n'.join(lines) + '\n'


def _table(results: dict, task: str) -> list[str]:
    lines = ['| labels | measure | random | SimMIM | difference | seed by seed |', '|' + ' --- |' * 6]
    for percent in results['preset']['percents']:
        runs = {start: {run['seed']: run for run in results['training']
                        if (run['task'], run['start'], run['percent']) == (task, start, percent)} for start in STARTS}
        seeds = [seed for seed in runs['SimMIM'] if seed in runs['random']]
        for measure in MEASURES[task] if seeds else ():
            cells = [mean_and_spread(runs[start][seed][measure] for seed in seeds) for start in STARTS]
            pairs = [runs['SimMIM'][seed][measure] - runs['random'][seed][measure] for seed in seeds]
            by_seed = ', '.join(f'{pair:+.1f}' for pair in pairs)
            lines.append(f"| {percent} % | {measure} | {' | '.join(cells)} | {mean_and_spread(pairs, sign='+')} "
                         f'| {by_seed} |')
    return lines


def _rates(tried: dict[str, list[dict]], task: str) -> list[str]:
    """What was found with each learning rate, the chosen one in bold, and whether the list was long enough."""
    measure = list(MEASURES[task])[-1]
    rates = [run['lr'] for run in tried['random']]
    lines = [f"| learning rate ({measure}) | {' | '.join(f'{lr:g}' for lr in rates)} |",
             '| --- |' + ' --- |' * len(rates)]
    for start, runs in tried.items():
        best = best_lr(runs, task)
        cells = [f'**{run[measure]:.1f}**' if run['lr'] == best else f'{run[measure]:.1f}' for run in runs]
        lines.append(f"| {start} | {' | '.join(cells)} |")
    at_end = [start for start, runs in tried.items() if best_lr(runs, task) in (min(rates), max(rates))]
    if at_end:
        lines += ['', f"The list of learning rates ends at the best one: {', '.join(at_end)}."]
    return lines


def main() -> None:
    args = parse_args()
    logging.getLogger('PIL').setLevel(logging.WARNING)
    try:
        results = Benchmark(PRESETS[args.preset], args.data, args.out, args.seeds).run(args.tasks)
    except UserError as error:
        sys.exit(str(error))
    print(tables(results))


if __name__ == '__main__':
    main()
