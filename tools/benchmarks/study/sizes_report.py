"""Tables and plots of the sweep over sizes of data, and the best rates beside those of the rule."""

import math
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib
import numpy as np

from mmsimmim.recipes import rule
from tools.benchmarks.machine import markdown

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402

MEASURES = {'held_out_loss': 'held-out L1', 'training_loss': 'L1 on training images', 'crossed': 'linear probe',
            'knn': 'kNN', 'share_r2': 'R² of the nuclei'}
# Of Okabe and Ito, which those who confuse red and green tell apart.
COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00')
# Of the encoders of the sweep, against Swin-B and ViT-B.
NARROWNESS = {'swin': 4, 'wide': 2, 'vit': 6}
# Length, batch and rate of the published runs.
PUBLISHED = ((62_500, 2048, 8e-4), (500_000, 2048, 4e-4))


class Runs:
    """The finished runs of the sweep.

    Args:
        lines (Iterable[dict]): Of ``runs.jsonl``.
    """

    def __init__(self, lines: Iterable[dict]) -> None:
        self.lines = list(lines)

    def where(self, **wanted) -> 'Runs':
        """Those with these settings; masks, crops, encoder and accumulation are the usual ones unless given."""
        usual = dict(data='photos', arch='swin', mask_patch=16, mask_ratio=0.6, smallest_crop=0.67, accumulate=1)
        settings = {**usual, **wanted}
        return Runs(line for line in self.lines if all(line[name] == value for name, value in settings.items()))

    def values(self, name: str) -> list:
        """The different values of a setting, in order."""
        return sorted({line[name] for line in self.lines})

    def measured(self, name: str) -> list[float]:
        """A measure of all of them."""
        return [line[name] for line in self.lines if name in line]

    def cell(self, name: str) -> str:
        """Mean, and the deviation of the seeds where there are several; a dash where there is none."""
        values = self.measured(name)
        if not values:
            return '–'
        digits = 3 if name.endswith('loss') else 1
        spread = f' ± {statistics.stdev(values):.{digits}f}' if len(values) > 1 else ''
        return f'{statistics.mean(values):.{digits}f}{spread}'


def tables(runs: Runs) -> str:
    """All tables, in Markdown."""
    everything = runs.where(images=1515)
    parts = [
        ('Length and rate, 1515 photographs, 32 a step', _grid(everything.where(batch=32), 'steps', 'lr')),
        ('Images and length, 32 a step', _images(runs)),
        ('As many images in other batches', _batches(runs.where(images=1515))),
        ('As many images by the config for a folder and by the rule', _beside_the_folder_config(everything)),
        ('Masks', _settings(runs, lambda line: line['part'] in ('mask', ) or _is_usual(line), 'photos')),
        ('Twice the channels, 32 a step', _grid(runs.where(images=1515, arch='wide'), 'steps', 'lr')),
        ('ViT, 32 a step', _grid(runs.where(images=1515, arch='vit'), 'steps', 'lr')),
        ('Nuclei, 32 a step', _grid(runs.where(data='nuclei'), 'steps', 'lr')),
        ('Nuclei, masks and crops',
         _settings(runs, lambda line: line['steps'] == 600 and line['lr'] == 1e-3, 'nuclei')),
        ('Best rates', best_rates_table(runs)),
    ]
    return '\n\n'.join(f'{title}\n\n{text}' for title, text in parts if text) + '\n'


def _grid(runs: Runs, first: str, second: str) -> str:
    """A row for each pair of settings."""
    head = [first, second, *_titles(runs), 'runs']
    rows = []
    for one in runs.values(first):
        some = runs_with(runs, first, one)
        for other in some.values(second) if one else some.values(second)[:1]:
            chosen = runs_with(some, second, other)
            rows.append([f'{one:,}', f'{other:g}' if one else '–', *_cells(chosen, runs), str(len(chosen.lines))])
    return markdown(head, rows) if rows else ''


def runs_with(runs: Runs, name: str, value: float) -> Runs:
    """Those with one setting, whatever the others."""
    return Runs(line for line in runs.lines if line[name] == value)


def _titles(runs: Runs) -> list[str]:
    return [title for name, title in MEASURES.items() if runs.measured(name)]


def _cells(runs: Runs, among: Runs) -> list[str]:
    return [runs.cell(name) for name in MEASURES if among.measured(name)]


def _images(runs: Runs) -> str:
    """Fewer images beside all of them, for the same steps and rates; and the longest runs."""
    some = Runs(line for line in runs.where(batch=32).lines if line['steps'])
    pairs = sorted({(line['steps'], line['lr']) for line in some.lines
                    if line['images'] < 1515 or line['steps'] > 2400})
    rows = [[f'{steps:,}', f'{lr:g}', f'{images:,}', f'{32 * steps / images:,.0f}', *_cells(chosen, some),
             str(len(chosen.lines))] for steps, lr in pairs for images in some.values('images')
            if (chosen := some.where(steps=steps, lr=lr, images=images)).lines]
    return markdown(['steps', 'lr', 'images', 'epochs', *_titles(some), 'runs'], rows) if rows else ''


def _batches(runs: Runs) -> str:
    seen = 600 * 32
    some = Runs(line for accumulate in (1, 4) for line in runs.where(accumulate=accumulate).lines
                if line['steps'] * line['batch'] == seen)
    rows = []
    for batch in some.values('batch'):
        for lr in runs_with(some, 'batch', batch).values('lr'):
            for accumulate in (1, 4):
                chosen = Runs(line for line in some.lines
                              if (line['batch'], line['lr'], line['accumulate']) == (batch, lr, accumulate))
                if chosen.lines:
                    parts = '' if accumulate == 1 else f' in {accumulate} parts'
                    rows.append([f'{batch}{parts}', f'{seen // batch:,}', f'{lr:g}', *_cells(chosen, some),
                                 str(len(chosen.lines))])
    return markdown(['batch', 'steps', 'lr', *_titles(some), 'runs'], rows) if rows else ''


def _beside_the_folder_config(runs: Runs) -> str:
    rows = []
    for seen, by_rule in ((19_200, 2e-3), (76_800, 4e-3)):
        for title, batch, lr in (('folder config', 128, 5e-5), ('rule', 32, by_rule)):
            chosen = runs.where(batch=batch, steps=seen // batch, lr=lr)
            if chosen.lines:
                rows.append([f'{seen:,}', title, str(batch), f'{seen // batch:,}', f'{lr:g}', *_cells(chosen, runs),
                             str(len(chosen.lines))])
    return markdown(['images', 'recipe', 'batch', 'steps', 'lr', *_titles(runs), 'runs'], rows) if rows else ''


def _is_usual(line: dict) -> bool:
    return (line['images'], line['steps'], line['batch'], line['lr'], line['arch'], line['accumulate'],
            line['seed']) == (1515, 600, 32, 1e-3, 'swin', 1, 0)


def _settings(runs: Runs, wanted: Callable[[dict], bool], data: str) -> str:
    some = Runs(line for line in runs.lines if line['data'] == data and line['batch'] == 32 and wanted(line)
                and line['seed'] == 0 and line['steps'])
    rows = [[f"{line['mask_patch']} px", f"{line['mask_ratio']:.0%}".replace('%', ' %'), f"{line['smallest_crop']:g}",
             *_cells(Runs([line]), some)]
            for line in sorted(some.lines, key=lambda line: (line['smallest_crop'], line['mask_patch'],
                                                             line['mask_ratio']))]
    return markdown(['masked patch', 'ratio', 'smallest crop', *_titles(some)], rows) if rows else ''


def best_rates(runs: Runs) -> list[dict]:
    """Of every length and batch with several rates the one with the smallest held-out loss.

    Returns:
        list[dict]: ``data``, ``arch``, ``images``, ``steps``, ``batch``, ``lr`` (where a parabola over the logarithm of
        the rate, through the best and its neighbours, is lowest) and ``inside`` (whether the best has two neighbours).
    """
    found = []
    for data, arch in (('photos', 'swin'), ('photos', 'wide'), ('photos', 'vit'), ('nuclei', 'swin')):
        some = runs.where(data=data, arch=arch, seed=0)
        settings = sorted({(line['images'], line['steps'], line['batch']) for line in some.lines if line['steps']})
        for images, steps, batch in settings:
            losses = {line['lr']: line['held_out_loss'] for line in some.lines
                      if (line['images'], line['steps'], line['batch']) == (images, steps, batch)}
            if len(losses) > 1:
                lr, inside = _lowest(losses)
                found.append(dict(data=data, arch=arch, images=images, steps=steps, batch=batch, lr=lr, inside=inside))
    return found


def _lowest(losses: dict[float, float]) -> tuple[float, bool]:
    rates = sorted(losses)
    best = rates.index(min(losses, key=losses.get))
    if not 0 < best < len(rates) - 1:
        return rates[best], False
    three = rates[best - 1:best + 2]
    square, slope, _ = np.polyfit(np.log(three), [losses[rate] for rate in three], 2)
    return math.exp(-slope / (2 * square)), True


def best_rates_table(runs: Runs) -> str:
    """Where the best rate lies, and what the rule chooses there."""
    rows = [[best['data'], best['arch'], f"{best['images']:,}", f"{best['steps']:,}", str(best['batch']),
             f"{best['lr']:.1e}" if best['inside'] else f"{best['lr']:.1e}, the last one tried",
             f'{_by_rule(best):.1e}'] for best in best_rates(runs)]
    return markdown(['data', 'encoder', 'images', 'steps', 'batch', 'best rate', 'rule'], rows) if rows else ''


def _by_rule(best: dict) -> float:
    return rule.rate_for(best['steps'], best['batch'], NARROWNESS[best['arch']])


def draw(runs: Runs, out: Path) -> list[Path]:
    """Loss over rate for each length, loss over epochs for each number of images, and the rule with what it fits."""
    figures = {'recipe_rates.png': _draw_rates(runs), 'recipe_lengths.png': _draw_lengths(runs),
               'recipe_rule.png': _draw_rule(runs)}
    for name, figure in figures.items():
        figure.savefig(out / name, dpi=100, bbox_inches='tight')
        plt.close(figure)
    return [out / name for name in figures]


def _draw_rates(runs: Runs) -> plt.Figure:
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.6), layout='constrained')
    some = runs.where(images=1515, batch=32)
    for panel, measure in zip(panels, ('held_out_loss', 'crossed')):
        for colour, steps in zip(COLOURS, [steps for steps in some.values('steps') if steps]):
            _draw_seeds(panel, runs_with(some, 'steps', steps), measure, colour, f'{steps:,} steps')
        if 0 in some.values('steps'):
            panel.axhline(_mean(runs_with(some, 'steps', 0), measure), color='grey', linestyle=':', label='untrained')
        panel.set(xscale='log', xlabel='peak learning rate', ylabel=MEASURES[measure])
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize='small')
    return figure


def _draw_seeds(panel: plt.Axes, runs: Runs, measure: str, colour: str, label: str) -> None:
    """A line through the means of the seeds, and a dot for each of them."""
    rates = runs.values('lr')
    panel.plot(rates, [_mean(runs_with(runs, 'lr', lr), measure) for lr in rates], '-', color=colour,
               label=label)
    panel.plot([line['lr'] for line in runs.lines], [line[measure] for line in runs.lines], 'o', color=colour,
               markersize=4)


def _draw_lengths(runs: Runs) -> plt.Figure:
    """Of each number of images and steps the rate with the smallest held-out loss, means of its seeds."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 3.6), layout='constrained')
    some = Runs(line for line in runs.where(batch=32).lines if line['steps'])
    for colour, images in zip(COLOURS, some.values('images')):
        chosen = runs_with(some, 'images', images)
        best = [_best_of(runs_with(chosen, 'steps', steps)) for steps in chosen.values('steps')]
        for panel, measure in zip(panels, ('held_out_loss', 'crossed')):
            panel.plot(chosen.values('steps'), [_mean(one, measure) for one in best], 'o-', color=colour,
                       label=f'{images:,} images')
            panel.set(xscale='log', xlabel='steps of 32 images', ylabel=MEASURES[measure])
        panels[0].plot(chosen.values('steps'), [_mean(one, 'training_loss') for one in best], '--', color=colour,
                       alpha=0.6)
    for panel in panels:
        panel.set_xticks([150, 600, 2400, 9600], ['150', '600', '2,400', '9,600'])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[1].legend(fontsize='small', title='dashed: training images', loc='lower right')
    return figure


def _best_of(runs: Runs) -> Runs:
    """Those of the rate whose seeds have the smallest mean held-out loss."""
    return min((runs_with(runs, 'lr', lr) for lr in runs.values('lr')), key=lambda some: _mean(some, 'held_out_loss'))


def _mean(runs: Runs, measure: str) -> float:
    return statistics.mean(runs.measured(measure))


def _draw_rule(runs: Runs) -> plt.Figure:
    figure, (length, rate) = plt.subplots(1, 2, figsize=(10, 3.6), layout='constrained')
    images = np.geomspace(30, 1e7, 100)
    length.plot(images, [rule.images_to_see(number) / number for number in images], color=COLOURS[0], label='rule')
    length.plot([rule.IMAGES] * 2, [100, 800], 's', color=COLOURS[1], label='published')
    tried = [line for line in runs.lines if line['steps']]
    length.plot([line['images'] for line in tried], [line['steps'] * line['batch'] / line['images'] for line in tried],
                '.', color='grey', label='tried here')
    length.set(xscale='log', yscale='log', xlabel='training images', ylabel='epochs')
    points = best_rates(runs)
    rate.plot([best['lr'] for best in points],
              [_by_rule(best) for best in points], 'o', color=COLOURS[0], label='measured')
    rate.plot([lr for _, _, lr in PUBLISHED], [rule.rate_for(steps, batch) for steps, batch, _ in PUBLISHED], 's',
              color=COLOURS[1], label='published')
    for share, style, label in ((1, '-', 'equal'), (1 / 4, ':', 'a quarter')):
        rate.plot([1e-4, 1e-2], [1e-4 * share, 1e-2 * share], style, color='grey', linewidth=0.8, label=label)
    rate.set(xscale='log', yscale='log', xlabel='rate of the lowest held-out loss', ylabel='rate of the rule')
    for panel in (length, rate):
        panel.grid(alpha=0.3)
        panel.legend(fontsize='small')
    return figure
