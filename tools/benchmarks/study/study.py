"""The paper's study in small: which mask, head, target and area make good features?

DATA_DIR holds train/ and validation/ (or val/) with one folder per class. Each arm differs from the default in one
thing. It pre-trains on all training images, without labels, and is then measured: nearest neighbours and a linear probe
on frozen features, and fine-tuning with labels. The main arms do so with every seed, which changes the pre-training,
too. Everything that is finished is kept in OUT, so that the same command resumes after an interruption. OUT/results.md
has the tables, OUT/results.json all numbers, OUT/*.png the plots.
"""

import argparse
import json
import logging
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from mmsimmim.commands.common.threads import limit_thread_spinning  # noqa: E402

limit_thread_spinning()

import numpy as np  # noqa: E402
from mmengine.runner import find_latest_checkpoint  # noqa: E402

from mmsimmim.datasets.image_folder import IMAGE_SUFFIXES, list_files  # noqa: E402
from mmsimmim.datasets.palette import fit_palette, sample_pixels  # noqa: E402
from mmsimmim.errors import UserError  # noqa: E402
from mmsimmim.evaluation import average_distance  # noqa: E402
from mmsimmim.registry import TRANSFORMS  # noqa: E402
from tools.benchmarks.kept_parts import Parts, train, write_results  # noqa: E402
from tools.benchmarks.study.study_arms import (  # noqa: E402
    DEFAULT,
    STUDIES,
    Arm,
    StudyPreset,
    all_arms,
    arm_config,
    mask_config,
)
from tools.benchmarks.study.study_report import draw, tables  # noqa: E402
from tools.benchmarks.transfer.transfer_configs import finetune_config  # noqa: E402

STARTS = ('random', 'SimMIM')
# The learning rates of fine-tuning are chosen with another seed than those that are reported.
SEED_OF_CHOICE = 1000
MASKS_FOR_DISTANCE = 500


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', metavar='DATA_DIR', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='folder for results, logs and checkpoints')
    parser.add_argument('--preset', choices=STUDIES, default='cpu', help='size of everything (default: cpu)')
    parser.add_argument('--seeds', type=int, default=3, help='of the main arms (default: 3)')
    parser.add_argument('--jobs', type=int, default=1, help='trainings at a time, in processes (default: 1)')
    parser.add_argument('--report', action='store_true',
                        help='run nothing: write the tables and plots of what is finished so far')
    args = parser.parse_args()
    for name in ('seeds', 'jobs'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1, got {getattr(args, name)}')
    return args


class Study:
    """All parts, each run once and kept.

    Args:
        preset (str): The size, a key of ``STUDIES``.
        data (Path): Folder with ``train`` and ``validation`` or ``val``.
        out (Path): Folder for everything that is made.
        seeds (int): Runs of the main arms.
    """

    def __init__(self, preset: str, data: Path, out: Path, seeds: int) -> None:
        self.study: StudyPreset = STUDIES[preset]
        self.train = data / 'train'
        self.val = next((data / name for name in ('validation', 'val') if (data / name).is_dir()), data / 'validation')
        for folder in (self.train, self.val):
            if not folder.is_dir():
                raise UserError(f'{folder} is no folder: DATA_DIR must hold train/ and validation/ (or val/), each '
                                'with one folder per class.')
        self.out = out
        self.seeds = range(seeds)
        self.parts = Parts(out, self.study)
        self.arms = all_arms(self.study, out / 'palette.npy')

    def runs(self) -> list[tuple[Arm, int]]:
        """Every arm with its seeds, the main ones first."""
        main = [(arm, seed) for seed in self.seeds for arm in self.arms if arm.name in self.study.main]
        return main + [(arm, self.seeds[0]) for arm in self.arms if arm.name not in self.study.main]

    def prepare(self) -> None:
        """What the arms share: the palette, the list of labelled images, and how far masks reach."""
        self._write_palette()
        self._write_annotations()
        self.parts.keep('distances', lambda: {arm.name: self._distance(arm) for arm in self.arms})

    def choose_rate(self, start: str) -> float:
        """The rate with which a start does best: random initialisation, or the default arm on behalf of all."""
        return self.parts.keep(f'rate_{start}', lambda: self._choose_rate(start))['lr']

    def _choose_rate(self, start: str) -> dict:
        checkpoint = self.checkpoint(DEFAULT, self.seeds[0]) if start == 'SimMIM' else None
        tried = {lr: self._finetune(f'rate_{start}_{lr:g}', checkpoint, SEED_OF_CHOICE, lr)
                 for lr in self.study.base.finetune_lrs}
        return dict(lr=max(tried, key=tried.get), tried={f'{lr:g}': accuracy for lr, accuracy in tried.items()})

    def pretrain(self, arm: Arm, seed: int) -> dict:
        """Pre-train an arm, and probe its frozen features.

        Args:
            arm (Arm): What differs from the default.
            seed (int): Of the pre-training.

        Returns:
            dict: ``probes``, accuracies of ``knn`` and ``linear`` in percent by epoch, and ``seconds``.
        """
        return self.parts.keep(f'pretrain_{arm.file_name}_{seed}', lambda: self._pretrain(arm, seed))

    def _pretrain(self, arm: Arm, seed: int) -> dict:
        work_dir = self._work_dir(arm, seed)
        cfg = arm_config(self.study, arm, seed, self.train, self.val, work_dir)
        cfg.resume = find_latest_checkpoint(work_dir) is not None
        train(cfg)
        lines = [json.loads(line) for path in sorted(work_dir.glob('*/vis_data/*scalars.json'))
                 for line in path.read_text().splitlines()]
        return dict(probes={line['step']: dict(knn=line['probe/knn'], linear=line['probe/linear'])
                            for line in lines if 'probe/knn' in line})

    def finetune(self, arm: Arm | None, seed: int, lr: float) -> dict:
        """Fine-tune what an arm has pre-trained with the same seed; None starts at random.

        Returns:
            dict: ``accuracy``, top-1 on the validation images after the last epoch, percent, and ``seconds``.
        """
        name = f'finetune_{arm.file_name if arm else "random"}_{seed}'
        checkpoint = self.checkpoint(arm, seed) if arm else None
        return self.parts.keep(name, lambda: dict(accuracy=self._finetune(name, checkpoint, seed, lr)))

    def _finetune(self, name: str, checkpoint: Path | None, seed: int, lr: float) -> float:
        base = self.study.base
        cfg = finetune_config(base, self.train, self.val, self.out / 'finetuning' / name, self._annotations,
                              self._classes(), base.finetune_epochs[self.study.labels], lr, seed, checkpoint)
        return float(train(cfg).message_hub.get_scalar('val/accuracy/top1').current())

    def checkpoint(self, arm: Arm, seed: int) -> Path:
        """What the pre-training of an arm has written."""
        return Path(find_latest_checkpoint(self._work_dir(arm, seed)))

    def _work_dir(self, arm: Arm, seed: int) -> Path:
        return self.out / 'pretraining' / f'{arm.file_name}_{seed}'

    def _distance(self, arm: Arm) -> float:
        generator = TRANSFORMS.build(mask_config(self.study, arm))
        random = np.random.RandomState(0)
        masks = np.stack([generator.draw(random) for _ in range(MASKS_FOR_DISTANCE)])
        return float(average_distance(masks, generator.model_patch_size).mean())

    def _write_palette(self) -> None:
        path = self.out / 'palette.npy'
        if not path.exists():
            paths = sorted(str(self.train / name) for name in list_files(self.train, IMAGE_SUFFIXES))
            palette, _ = fit_palette(sample_pixels(paths, 500_000)[0], self.study.clusters)
            with (part := path.with_suffix('.part')).open('wb') as file:
                np.save(file, palette)
            part.replace(path)

    def _write_annotations(self) -> None:
        lines = [f'{name}/{path} {label}' for label, name in enumerate(self._classes())
                 for path in sorted(list_files(self.train / name, IMAGE_SUFFIXES))]
        self._annotations.write_text('\n'.join(lines) + '\n')

    @property
    def _annotations(self) -> Path:
        return self.out / 'train.txt'

    def _classes(self) -> list[str]:
        return sorted(entry.name for entry in self.train.iterdir() if entry.is_dir())

    def results(self) -> dict:
        """All numbers that are there so far."""
        runs = [run for arm in self.arms for seed in self.seeds if (run := self._result(arm, seed))]
        return dict(runs=runs, untrained=self._untrained(), distances=self.parts.find('distances'),
                    rates={start: self.parts.find(f'rate_{start}') for start in STARTS})

    def _result(self, arm: Arm, seed: int) -> dict | None:
        """What is known of a run; None before it is pre-trained."""
        pretrained = self.parts.find(f'pretrain_{arm.file_name}_{seed}')
        finetuned = self.parts.find(f'finetune_{arm.file_name}_{seed}')
        if pretrained is None:
            return None
        probes = pretrained['probes'][str(self.study.base.pretrain_epochs)]
        return dict(arm=arm.name, group=arm.group, seed=seed, **probes,
                    accuracy=finetuned['accuracy'] if finetuned else None,
                    seconds=[part['seconds'] for part in (pretrained, finetuned) if part])

    def _untrained(self) -> list[dict]:
        """Runs without pre-training, whose features the default's pre-training has measured at its start."""
        runs = []
        for seed in self.seeds:
            pretrained = self.parts.find(f'pretrain_{DEFAULT.file_name}_{seed}')
            finetuned = self.parts.find(f'finetune_random_{seed}')
            if pretrained and finetuned:
                runs.append(dict(seed=seed, accuracy=finetuned['accuracy'], **pretrained['probes']['0']))
        return runs


def run_all(arguments: tuple, jobs: int) -> dict:
    """Run what is not yet there: all pre-trainings, the choice of rates, all fine-tunings.

    Args:
        arguments (tuple): Of :class:`Study`.
        jobs (int): Trainings at a time.

    Returns:
        dict: All results, which are also written.
    """
    study = Study(*arguments)
    study.prepare()
    run_parts(arguments, [('pretrain', *run) for run in study.runs()], jobs)
    run_parts(arguments, [('choose_rate', start) for start in STARTS], jobs)
    rates = {start: study.choose_rate(start) for start in STARTS}
    run_parts(arguments, [('finetune', None, seed, rates['random']) for seed in study.seeds], jobs)
    run_parts(arguments, [('finetune', *run, rates['SimMIM']) for run in study.runs()], jobs)
    return report(study)


def run_parts(arguments: tuple, parts: list[tuple], jobs: int) -> None:
    """Run parts of a study, several at a time each in a process of its own.

    Args:
        arguments (tuple): Of :class:`Study`.
        parts (list[tuple]): Of each the name of a method of :class:`Study` and its arguments.
        jobs (int): Parts at a time.
    """
    if jobs == 1:
        for part in parts:
            run_part(arguments, *part)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context('spawn')) as pool:
        futures = [pool.submit(run_part, arguments, *part) for part in parts]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # what is left would run to its end before the error is seen
            raise


def run_part(arguments: tuple, method: str, *others) -> None:
    """Run one part: ``others`` are the arguments of the method."""
    logging.getLogger('PIL').setLevel(logging.WARNING)
    getattr(Study(*arguments), method)(*others)


def report(study: Study) -> dict:
    """Write the tables and plots of what is there, and give all numbers."""
    results = study.results()
    write_results(study.out / 'results', results, tables(results))
    draw(results, study.out)
    return results


def main() -> None:
    args = parse_args()
    study = (args.preset, args.data, args.out, args.seeds)
    try:
        results = report(Study(*study)) if args.report else run_all(study, args.jobs)
    except UserError as error:
        sys.exit(str(error))
    print(tables(results))


if __name__ == '__main__':
    main()
