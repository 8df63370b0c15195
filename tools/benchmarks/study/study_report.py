"""Tables and plots of the study."""

import math
import statistics
from pathlib import Path

import matplotlib

from tools.benchmarks.kept_parts import mean_and_spread

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402

MEASURES = {'knn': 'kNN', 'linear': 'linear probe', 'accuracy': 'fine-tuned'}
GROUPS = {'mask': 'Masks', 'head': 'Heads', 'target': 'Targets', 'area': 'Area'}
# Of Okabe and Ito, which those who confuse red and green tell apart.
COLOURS = {'random': '#0072B2', 'square': '#D55E00', 'block-wise': '#009E73'}
MARKERS = {'random': 'o', 'square': 's', 'block-wise': '^'}


def tables(results: dict) -> str:
    """A table of the starting points, and one for each thing that is varied.

    Args:
        results (dict): As ``Study.results`` gives them.

    Returns:
        str: Markdown.
    """
    arms = _by_arm(results)
    lines = ['Starting points, mean ± standard deviation over seeds', '', *_head('start'),
             _row('random initialisation', '–', results['untrained'], '–')]
    if 'default' in arms:
        lines.append(_arm_row('default', arms, results))
    for group, title in GROUPS.items():
        names = [name for name, runs in arms.items() if runs[0]['group'] == group]
        if names:
            lines += ['', title, '', *_head('arm'), *(_arm_row(name, arms, results) for name in names)]
    return '\n'.join(lines) + '\n'


def _by_arm(results: dict) -> dict[str, list[dict]]:
    arms: dict[str, list[dict]] = {}
    for run in results['runs']:
        arms.setdefault(run['arm'], []).append(run)
    return arms


def _head(first: str) -> list[str]:
    titles = [first, 'AvgDist', *MEASURES.values(), 'fine-tuned, beside the default', 'runs']
    return ['| ' + ' | '.join(titles) + ' |', '| --- ' * len(titles) + '|']


def _arm_row(name: str, arms: dict[str, list[dict]], results: dict) -> str:
    runs, default = _finetuned(arms[name]), _finetuned(arms.get('default', []))
    pairs = [runs[seed] - default[seed] for seed in runs.keys() & default]
    beside = mean_and_spread(pairs, sign='+') if pairs and name != 'default' else '–'
    return _row(name, f'{results["distances"][name]:.1f}', arms[name], beside)


def _finetuned(runs: list[dict]) -> dict[int, float]:
    return {run['seed']: run['accuracy'] for run in runs if run['accuracy'] is not None}


def _values(runs: list[dict], measure: str) -> list[float]:
    """What was measured; a run that is not fine-tuned yet has no accuracy."""
    return [run[measure] for run in runs if run[measure] is not None]


def _row(name: str, distance: str, runs: list[dict], beside: str) -> str:
    measured = [_values(runs, measure) for measure in MEASURES]
    cells = [mean_and_spread(values) if values else '–' for values in measured]
    return f'| {name} | {distance} | ' + ' | '.join(cells) + f' | {beside} | {len(runs)} |'


def draw(results: dict, out: Path) -> list[Path]:
    """Draw the masks against AvgDist, and all other arms beside the default.

    Args:
        results (dict): As ``Study.results`` gives them.
        out (Path): Folder of the plots.

    Returns:
        list[Path]: The files.
    """
    arms = _by_arm(results)
    drawn = {'study_masks.png': _draw_masks(arms, results), 'study_others.png': _draw_others(arms, results)}
    for name, figure in drawn.items():
        figure.savefig(out / name, dpi=110, bbox_inches='tight')
        plt.close(figure)
    return [out / name for name in drawn]


def _draw_masks(arms: dict[str, list[dict]], results: dict) -> plt.Figure:
    """Accuracy over AvgDist, one panel for each measure; the default is a random mask."""
    figure, panels = plt.subplots(1, len(MEASURES), figsize=(12, 3.8), layout='constrained')
    for panel, (measure, title) in zip(panels, MEASURES.items()):
        for strategy, colour in COLOURS.items():
            names = [name for name, runs in arms.items() if _values(runs, measure)
                     and (name.startswith(strategy) or strategy == 'random' and name == 'default')]
            values = [_values(arms[name], measure) for name in names]
            panel.errorbar([results['distances'][name] for name in names], [statistics.mean(v) for v in values],
                           [statistics.stdev(v) if len(v) > 1 else math.nan for v in values], color=colour,
                           marker=MARKERS[strategy], linestyle='none', label=strategy, capsize=3)
        _draw_untrained(panel, results, measure)
        panel.set(title=title, xlabel='AvgDist, pixels', ylabel='top-1, %')
        panel.grid(alpha=0.3)
    panels[-1].legend()
    return figure


def _draw_others(arms: dict[str, list[dict]], results: dict) -> plt.Figure:
    """Every run of heads, targets and area as a dot, beside the default."""
    names = [name for name, runs in arms.items() if runs[0]['group'] != 'mask']
    figure, panels = plt.subplots(1, len(MEASURES), figsize=(12, 0.32 * len(names) + 1.2), sharey=True,
                                  layout='constrained')
    for panel, (measure, title) in zip(panels, MEASURES.items()):
        for row, name in enumerate(names):
            values = _values(arms[name], measure)
            panel.plot(values, [row] * len(values), 'o', color='#0072B2', alpha=0.5)
            if len(values) > 1:
                panel.plot(statistics.mean(values), row, '|', color='black', markersize=14)
        _draw_untrained(panel, results, measure, vertical=True)
        panel.set(title=title, xlabel='top-1, %')
        panel.grid(alpha=0.3)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    return figure


def _draw_untrained(panel: plt.Axes, results: dict, measure: str, vertical: bool = False) -> None:
    if results['untrained']:
        line = panel.axvline if vertical else panel.axhline
        mean = statistics.mean(run[measure] for run in results['untrained'])
        line(mean, color='grey', linestyle=':', label='no pre-training')
