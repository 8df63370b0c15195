"""The gain by pre-training: SimMIM, then fine-tuning, compared with random initialisation.

DATA_DIR holds train/ and validation/ (or val/) with one folder per class. All training images serve the pre-training,
without labels; shares of them, with labels, the fine-tuning. Each start uses the learning rate with which it did best
at 30 % of the labels, on another draw than those that are reported. Everything that is finished is kept in OUT, so that
the same command resumes after an interruption. The tables are in OUT/results.md, all numbers in OUT/results.json.
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

from mmsimmim.datasets.image_folder import IMAGE_SUFFIXES, list_files  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from tools.benchmarks.kept_parts import Parts, mean_and_spread, train, write_results  # noqa: E402
from tools.benchmarks.transfer.transfer_configs import PRESETS, Preset, finetune_config, pretrain_config  # noqa: E402

STARTS = ('random', 'SimMIM')
# The learning rates are chosen on other draws of labels and numbers than those that are reported.
SEED_OF_CHOICE = 1000


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', metavar='DATA_DIR', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='folder for results, logs and the checkpoint')
    parser.add_argument('--preset', choices=PRESETS, default='cpu', help='size of everything (default: cpu)')
    parser.add_argument('--seeds', type=int, default=3, help='fine-tunings of each kind (default: 3)')
    parser.add_argument('--times', type=int, default=1,
                        help='fine-tune for as many times the epochs of the preset, after the same pre-training and at '
                        'the same rates; results go to OUT/results_xTIMES.* (default: 1)')
    return parser.parse_args()


class Benchmark:
    """All parts, each run once and kept.

    Args:
        preset (Preset): The size.
        data (Path): Folder with ``train`` and ``validation`` or ``val``.
        out (Path): Folder for everything that is made.
        seeds (int): Fine-tunings of each kind.
        times (int): Multiplies the epochs of fine-tuning, except where learning rates are chosen.
    """

    def __init__(self, preset: Preset, data: Path, out: Path, seeds: int, times: int = 1) -> None:
        self.preset = preset
        self.train = data / 'train'
        self.val = next((data / name for name in ('validation', 'val') if (data / name).is_dir()), data / 'validation')
        for folder in (self.train, self.val):
            if not folder.is_dir():
                raise UserError(f'{folder} is no folder: DATA_DIR must hold train/ and validation/ (or val/), each '
                                'with one folder per class.')
        self.classes = sorted(entry.name for entry in self.train.iterdir() if entry.is_dir())
        self.out = out
        self.seeds = range(seeds)
        self.times = times
        self.parts = Parts(out, preset)

    def run(self) -> dict:
        """Run what is not yet there, and give all results."""
        results = dict(preset=self.preset.__dict__, images=self._count(), pretraining=self.pretrain())
        results['learning_rates'] = rates = {start: self.choose_lr(start) for start in STARTS}
        results['finetuning'] = []
        for seed in self.seeds:
            for percent in self.preset.finetune_epochs:
                for start in STARTS:
                    results['finetuning'].append(self.finetune(start, percent, seed, rates[start], self.times))
                    write_results(self.out / f'results{_suffix(self.times)}', results, tables(results))
        return results

    def pretrain(self) -> dict:
        """Pre-train, from the last checkpoint if there is one.

        Returns:
            dict: ``probes``, a list of the scores of frozen features by epoch, and ``seconds``.
        """
        return self.parts.keep('pretraining', self._pretrain)

    def _pretrain(self) -> dict:
        work_dir = self.out / 'pretraining'
        cfg = pretrain_config(self.preset, self.train, self.val, work_dir)
        cfg.resume = find_latest_checkpoint(work_dir) is not None
        train(cfg)
        scalars = [json.loads(line) for path in sorted(work_dir.glob('*/vis_data/*scalars.json'))
                   for line in path.read_text().splitlines()]
        # By epoch: an interrupted run has measured some of them twice.
        probes = {line['step']: dict(epoch=line['step'], knn=line['probe/knn'], linear=line['probe/linear'])
                  for line in scalars if 'probe/knn' in line}
        return dict(probes=[probes[epoch] for epoch in sorted(probes)])

    def choose_lr(self, start: str, percent: int = 30) -> float:
        """The learning rate with which a start does best, on a draw that is not reported."""
        tried = {lr: self.finetune(start, percent, SEED_OF_CHOICE, lr)['accuracy'] for lr in self.preset.finetune_lrs}
        return max(tried, key=tried.get)

    def finetune(self, start: str, percent: int, seed: int, lr: float, times: int = 1) -> dict:
        """Train the whole network with labels.

        Args:
            start (str): 'random' or 'SimMIM'.
            percent (int): How many of the training images of each class.
            seed (int): Of the choice of images and the training.
            lr (float): Peak learning rate.
            times (int): Multiplies the epochs of the preset. Defaults to 1.

        Returns:
            dict: The arguments, ``accuracy`` (top-1 on the validation images after the last epoch, percent) and
            ``seconds``.
        """
        name = f'{start}_{percent}_{seed}_{lr:g}{_suffix(times)}'
        facts = dict(start=start, percent=percent, seed=seed, lr=lr)
        epochs = times * self.preset.finetune_epochs[percent]
        return self.parts.keep(name, lambda: facts | self._finetune(name, epochs=epochs, **facts))

    def _finetune(self, name: str, start: str, percent: int, seed: int, lr: float, epochs: int) -> dict:
        checkpoint = Path(find_latest_checkpoint(self.out / 'pretraining')) if start == 'SimMIM' else None
        cfg = finetune_config(
            self.preset, self.train, self.val, self.out / 'finetuning' / name, self._subset(percent, seed),
            self.classes, epochs, lr, seed, checkpoint)
        accuracy = train(cfg).message_hub.get_scalar('val/accuracy/top1').current()
        return dict(accuracy=float(accuracy))

    def _subset(self, percent: int, seed: int) -> Path:
        """An annotation file with the same share of every class, at least one image of each."""
        lines = []
        for label, name in enumerate(self.classes):
            paths = sorted(list_files(self.train / name, IMAGE_SUFFIXES))
            number = max(1, round(len(paths) * percent / 100))
            chosen = random.Random(f'{seed} {name}').sample(paths, number)
            lines += [f'{name}/{path} {label}' for path in sorted(chosen)]
        path = self.out / 'subsets' / f'{percent}_{seed}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(lines) + '\n')
        return path

    def _count(self) -> dict:
        return {folder.name: sum(1 for _ in list_files(folder, IMAGE_SUFFIXES)) for folder in (self.train, self.val)}


def _suffix(times: int) -> str:
    return f'_x{times}' if times > 1 else ''


def tables(results: dict) -> str:
    """Both tables, in Markdown."""
    rates = results['learning_rates']
    lines = ['| labels | ' + ' | '.join(f'{start}, lr {rates[start]:g}' for start in STARTS) + ' | difference |',
             '| --- | --- | --- | --- |']
    for percent in results['preset']['finetune_epochs']:
        runs = {start: {run['seed']: run['accuracy'] for run in results['finetuning']
                        if (run['start'], run['percent']) == (start, percent)} for start in STARTS}
        pairs = [runs['SimMIM'][seed] - runs['random'][seed] for seed in runs['SimMIM']]
        if pairs:
            cells = [mean_and_spread(runs[start].values()) for start in STARTS] + [mean_and_spread(pairs, sign='+')]
            lines.append(f'| {percent} % | ' + ' | '.join(cells) + ' |')
    lines += ['', '| epochs of pre-training | kNN | linear probe |', '| --- | --- | --- |']
    lines += [f"| {probe['epoch']} | {probe['knn']:.1f} | {probe['linear']:.1f} |"
              for probe in results['pretraining']['probes']]
    return '\n'.join(lines) + '\n'


def main() -> None:
    args = parse_args()
    logging.getLogger('PIL').setLevel(logging.WARNING)
    try:
        results = Benchmark(PRESETS[args.preset], args.data, args.out, args.seeds, args.times).run()
    except UserError as error:
        sys.exit(str(error))
    print(tables(results))


if __name__ == '__main__':
    main()
