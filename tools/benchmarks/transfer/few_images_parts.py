"""The parts of the benchmark of few images: speeds, pre-trainings and trainings with labels, each run once and kept."""

import time
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint

from mmsimmim.registry import HOOKS
from tools.benchmarks.kept_parts import Parts, mean_and_spread, train, write_results
from tools.benchmarks.transfer import dense_transfer_parts, transfer_parts
from tools.benchmarks.transfer.dense_transfer_configs import det_config, seg_config
from tools.benchmarks.transfer.few_images_configs import as_pretrained, folder_config, recipe_config, trees_config
from tools.benchmarks.transfer.few_images_presets import TASKS, Preset
from tools.benchmarks.transfer.transfer_configs import finetune_config

ARMS = dict(recipe=recipe_config, folder=folder_config)
STARTS = dict(recipe='chosen recipe', folder='folder config', random='random weights')
# The learning rates are chosen on another draw of the labels than those that are reported.
SEED_OF_CHOICE = 1000
# Images per second and seconds of the run that finds the speed of an arm, of whose steps the first are left out.
GUESS, SHORT, FIRST = 60., 30., 10


@HOOKS.register_module()
class SpeedHook(Hook):
    """Images per second of processor time, in the runner's message hub."""

    def before_train(self, runner) -> None:
        self.steps = []
        self.last = time.process_time()

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        now = time.process_time()
        self.steps.append((len(data_batch['inputs']), now - self.last))
        self.last = now

    def after_train(self, runner) -> None:
        images, seconds = map(sum, zip(*(self.steps[FIRST:] or self.steps)))
        runner.message_hub.update_info('images_per_second', images / seconds)


class Benchmark:
    """All parts.

    Args:
        preset (Preset): The size.
        data (dict[str, Path]): Folders of 'photos', 'nuclei' and 'aerial'.
        out (Path): Folder for everything that is made.
        seeds (int): Pre-trainings of each kind, each with its trainings.

    Raises:
        UserError: Something is not there, or ``out`` holds parts of other sizes.
    """

    def __init__(self, preset: Preset, data: dict[str, Path], out: Path, seeds: int) -> None:
        self.preset, self.data, self.out, self.seeds = preset, data, out, range(seeds)
        self.photos = transfer_parts.Benchmark(preset.classes, data['photos'], out / 'photos', seeds)
        self.nuclei = dense_transfer_parts.Benchmark(preset.dense, data['nuclei'], out / 'nuclei', seeds)
        self.parts = Parts(out, preset)

    def run(self, tasks: list[str]) -> dict:
        """Run what is not yet there, and give all results, those of other processes among them."""
        for seed in self.seeds:
            for task in tasks:
                for start in STARTS:
                    self.tune(task, start, seed, self.choose_lr(task, start))
                    self.write()
        return self.write()

    def images(self, name: str) -> Path:
        """The training images of a data set."""
        return dict(photos=self.photos.train, nuclei=self.nuclei.images['train'], aerial=self.data['aerial'] / 'train'
                    )[name]

    def speed(self, data: str, arm: str) -> dict:
        """Images per second of processor time, from the steps of a short run."""
        return self.parts.keep(f'speed_{data}_{arm}', lambda: self._speed(data, arm))

    def _speed(self, data: str, arm: str) -> dict:
        return dict(rate=self._train(arm, data, 'speed', 0, GUESS, SHORT)['rate'])

    def pretrain(self, data: str, arm: str, seed: int) -> dict:
        """Pre-train for the time of the preset."""
        return self.parts.keep(f'pretraining_{data}_{arm}_{seed}', lambda: self._train(
            arm, data, str(seed), seed, self.speed(data, arm)['rate'], self.preset.seconds))

    def _train(self, arm: str, data: str, name: str, seed: int, rate: float, seconds: float) -> dict:
        cfg = ARMS[arm](self.preset, self.images(data), self._work_dir(data, arm, name), seed, rate, seconds)
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type='mmsimmim.SpeedHook')]
        begin = time.process_time()
        runner = train(cfg)
        hub = runner.message_hub
        return dict(processor=time.process_time() - begin, steps=runner.iter, lr=cfg.optim_wrapper.optimizer.lr,
                    batch=min(cfg.train_dataloader.batch_size, len(runner.train_dataloader.dataset)),
                    img_size=cfg.model.backbone.img_size, loss=float(hub.get_scalar('train/loss').mean(20)),
                    rate=hub.get_info('images_per_second'))

    def _work_dir(self, data: str, arm: str, name: str) -> Path:
        return self.out / 'pretraining' / f'{data}_{arm}_{name}'

    def choose_lr(self, task: str, start: str) -> float:
        """The rate with which a start does best, from the first pre-training."""
        tried = {lr: self.tune(task, start, 0, lr, SEED_OF_CHOICE)['score'] for lr in TASKS[task].lrs}
        return max(tried, key=tried.get)

    def tune(self, task: str, start: str, seed: int, lr: float, draw: int | None = None) -> dict:
        """Train with labels.

        Args:
            task (str): Of :data:`TASKS`.
            start (str): Of :data:`STARTS`.
            seed (int): Of the pre-training.
            lr (float): Peak learning rate.
            draw (int, optional): Of the labels and the training. Defaults to None: ``seed``.

        Returns:
            dict: The arguments, ``score`` in percent and ``seconds``.
        """
        draw = seed if draw is None else draw
        facts = dict(task=task, start=start, seed=seed, lr=lr, draw=draw)
        return self.parts.keep(f'{task}_{start}_{seed}_{lr:g}_{draw}', lambda: facts | self._tune(**facts))

    def _tune(self, task: str, start: str, seed: int, lr: float, draw: int) -> dict:
        data, _, key, scale, _ = TASKS[task]
        checkpoint = None
        if start != 'random':
            self.pretrain(data, start, seed)
            checkpoint = Path(find_latest_checkpoint(self._work_dir(data, start, str(seed))))
        training = dict(work_dir=self.out / 'training' / f'{task}_{start}_{seed}_{lr:g}_{draw}', lr=lr, seed=draw,
                        checkpoint=checkpoint)
        hub = train(getattr(self, f'_{task}_config')(draw, **training)).message_hub
        found = hub.log_scalars.get(f'val/{key}')  # CocoMetric has no number where a detector found nothing
        return dict(score=scale * float(found.current()) if found else 0.)

    def _cls_config(self, draw: int, **training):
        preset = self.preset.classes
        epochs = preset.finetune_epochs[self.preset.percent]
        return finetune_config(preset, self.photos.train, self.photos.val, classes=self.photos.classes, epochs=epochs,
                               annotations=self.photos._subset(self.preset.percent, draw), **training)

    def _det_config(self, draw: int, **training):
        nuclei, subset = self.nuclei, self.nuclei._subset(self.preset.percent, draw)
        return as_pretrained(det_config(self.preset.dense, nuclei.images, nuclei.annotations | dict(train=subset),
                                        nuclei.categories, **training))

    def _seg_config(self, draw: int, **training):
        nuclei, subset = self.nuclei, self.nuclei._subset(self.preset.percent, draw)
        return as_pretrained(seg_config(self.preset.dense, nuclei.images, nuclei.labels, subset.with_suffix('.txt'),
                                        ['background', *nuclei.categories], nuclei._suffix(), **training))

    def _trees_config(self, draw: int, **training):
        return trees_config(self.preset, self.data['aerial'], **training)

    def write(self) -> dict:
        """Collect what is finished, whichever process did it, and write it with its table."""
        results = dict(preset=self.preset.__dict__, pretraining=[], tuning=[], choice=[])
        for seed in self.seeds:
            for data in sorted({task.data for task in TASKS.values()}):
                for arm in ARMS:
                    if (part := self.parts.find(f'pretraining_{data}_{arm}_{seed}')) is not None:
                        results['pretraining'].append(dict(part, data=data, arm=arm, seed=seed))
        for task in TASKS:
            for start in STARTS:
                tried = [self.parts.find(f'{task}_{start}_0_{lr:g}_{SEED_OF_CHOICE}') for lr in TASKS[task].lrs]
                if None in tried:
                    continue
                results['choice'] += tried
                lr = max(tried, key=lambda one: one['score'])['lr']
                found = [self.parts.find(f'{task}_{start}_{seed}_{lr:g}_{seed}') for seed in self.seeds]
                results['tuning'] += [part for part in found if part is not None]
        write_results(self.out / 'results', results, table(results))
        return results


def table(results: dict) -> str:
    """The tables, in Markdown."""
    lines = ['| data | measure | ' + ' | '.join(STARTS.values()) + ' | recipe - folder | recipe - random | seeds |',
             '| --- | --- |' + ' --- |' * (len(STARTS) + 3)]
    for name, task in TASKS.items():
        runs = {start: {run['seed']: run['score'] for run in results['tuning']
                        if (run['task'], run['start']) == (name, start)} for start in STARTS}
        seeds = [seed for seed in runs['recipe'] if all(seed in some for some in runs.values())]
        if not seeds:
            continue
        cells = [mean_and_spread(runs[start][seed] for seed in seeds) for start in STARTS]
        for other in ('folder', 'random'):
            cells.append(mean_and_spread([runs['recipe'][seed] - runs[other][seed] for seed in seeds], sign='+'))
        lines.append(f'| {task.data} | {task.measure} | {" | ".join(cells)} | {len(seeds)} |')
    lines += ['', '| data | pre-training | crop, px | steps | batch | rate | processor time, s | last loss |',
              '| --- |' + ' --- |' * 7]
    for run in sorted(results['pretraining'], key=lambda run: (run['data'], run['arm'], run['seed'])):
        lines.append(f"| {run['data']} | {STARTS[run['arm']]}, seed {run['seed']} | {run['img_size']} | "
                     f"{run['steps']:,} | {run['batch']} | {run['lr']:.2g} | {run['processor']:.0f} | "
                     f"{run['loss']:.3f} |")
    tried = [(name, lr) for name, task in TASKS.items() for lr in task.lrs]
    lines += ['', '| start | ' + ' | '.join(f'{name}, lr {lr:g}' for name, lr in tried) + ' |',
              '| --- |' + ' --- |' * len(tried)]
    for start in STARTS:
        found = {(run['task'], run['lr']): run['score'] for run in results['choice'] if run['start'] == start}
        cells = [f'{found[one]:.1f}' if one in found else '–' for one in tried]
        lines.append(f'| {STARTS[start]} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'
