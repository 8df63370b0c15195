"""One page that shows a pre-training: what it learns from, how far it is, what it sees.

The page is one file without scripts, links or fonts from elsewhere: it can be mailed, and opens without a network.
"""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ..errors import shown
from .files import write_file
from .training_log import Training

HELD_OUT = 'reconstruction/masked_loss'
# What probes log -> what the panel says; a panel for each that is there.
PANELS = {
    'loss': 'L1 loss on masked pixels',
    'probe/linear': 'top-1 accuracy of a linear probe, in percent',
    'probe/knn': 'top-1 accuracy of nearest neighbours, in percent',
    'lr': 'learning rate',
}
# Widest picture in the page, in pixels; files beside it are whole.
MAX_WIDTH = 1400
# As well to be seen on white as on black.
GREY = '#767676'
GREY_PARTS = ('text.color', 'axes.labelcolor', 'axes.edgecolor', 'axes.titlecolor', 'xtick.color', 'ytick.color',
              'grid.color')
# Seconds after which an open page of a running training is read anew.
REFRESH = 20

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0072b2; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 0 auto; padding: 1.5rem 1rem 4rem;
  overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
.status { margin: .4rem 0 1rem; } progress { width: 100%; height: .6rem; accent-color: var(--accent); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .8rem; padding: 0;
  margin: 1rem 0; list-style: none; }
.figures li { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; }
.figures b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
dl { margin: 0; } dt { font-weight: 600; } dd { margin: 0 0 .5rem; }
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: .5rem; }
figure { margin: 0 0 1.2rem; overflow-x: auto; }
figure img { width: 100%; height: auto; border-radius: .3rem; display: block; }
.rows img { width: auto; max-width: max(100%, 40rem); }
figcaption { font-size: .9rem; opacity: .8; position: sticky; left: 0; }
.warning { border-left: .3rem solid #d55e00; padding-left: .7rem; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem; overflow-x: auto; }
"""


@dataclass
class Report:
    """What a page shows.

    Args:
        title (str): Its heading.
        status (str): One sentence.
        progress (float): Share of the run that is done, 0 to 1.
        running (bool): Whether more will come.
        figures (dict[str, str]): Name and value of a few numbers.
        notes (Sequence[str]): What was found in the data, and what was chosen and why.
        warnings (Sequence[str]): Likewise.
        training (Training, optional): What was logged so far.
        pictures (Sequence[tuple[str, Path]]): Caption and file of each.
        files (dict[str, str]): What was written for whom: a name, and a path or why there is none.
        commands (Sequence[str]): What to do next.
    """

    title: str
    status: str
    progress: float
    running: bool
    figures: dict[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    training: Training | None = None
    pictures: Sequence[tuple[str, Path]] = ()
    files: dict[str, str] = field(default_factory=dict)
    commands: Sequence[str] = ()


def write_report(path: Path, report: Report) -> Path:
    """Write a page.

    Args:
        path (Path): The file; replaced at once, so that a browser never reads half of it.
        report (Report): What it shows.

    Returns:
        Path: The file.
    """
    write_file(path, make_page(report).encode())
    return path


def make_page(report: Report) -> str:
    """The text of a page."""
    refresh = f'<meta http-equiv="refresh" content="{REFRESH}">' if report.running else ''
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">{refresh}
<title>{_text(report.title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{_text(report.title)}</h1>
<p class="status">{_text(report.status)}</p>
<progress max="1" value="{report.progress:.4f}" aria-label="share of the training that is done"></progress>
{_figures(report.figures)}
{_paragraphs('Data and recipe', report.notes)}
{_paragraphs('', report.warnings, 'warning')}
{_curves(report.training)}
{_pictures(report.pictures)}
{_files(report.files)}
{_commands(report.commands)}
</body>
</html>
"""


def _figures(figures: dict[str, str]) -> str:
    items = ''.join(f'<li>{_text(name)}<b>{_text(value)}</b></li>' for name, value in figures.items())
    return f'<ul class="figures">{items}</ul>' if items else ''


def _paragraphs(title: str, lines: Sequence[str], kind: str = '') -> str:
    heading = f'<h2>{_text(title)}</h2>' if title and lines else ''
    return heading + '\n'.join(f'<p class="{kind}">{_text(line)}</p>' for line in lines)


def _curves(training: Training | None) -> str:
    if training is None:
        return ''
    panels = [_figure('', draw_curves(training, [key]), 'image/svg+xml', _in_words(training, key))
              for key in keys_of(training)]
    return f'<h2>Curves</h2>\n<div class="curves">{"".join(panels)}</div>' if panels else ''


def _in_words(training: Training, key: str) -> str:
    places, values = _series(training, key)
    return f'{PANELS[key]}: {values[0]:.4g} at iteration {places[0]:,.0f}, {values[-1]:.4g} at {places[-1]:,.0f}'


def _pictures(pictures: Sequence[tuple[str, Path]]) -> str:
    if not pictures:
        return ''
    return '<h2>Pictures</h2>\n' + '\n'.join(_figure(caption, _as_jpeg(path), 'image/jpeg', caption, 'rows')
                                             for caption, path in pictures)


def _files(files: dict[str, str]) -> str:
    items = ''.join(f'<dt>{_text(name)}</dt><dd>{_text(place)}</dd>' for name, place in files.items())
    return f'<h2>The encoder</h2>\n<dl>{items}</dl>' if items else ''


def _commands(commands: Sequence[str]) -> str:
    return f'<h2>Next</h2>\n<pre>{_text(chr(10).join(commands), lines=True)}</pre>' if commands else ''


def _figure(caption: str, content: bytes, kind: str, alternative: str, style: str = '') -> str:
    data = base64.b64encode(content).decode()
    said = f'<figcaption>{_text(caption)}</figcaption>' if caption else ''
    return f'<figure class="{style}"><img alt="{_text(alternative)}" src="data:{kind};base64,{data}">{said}</figure>'


def _as_jpeg(path: Path) -> bytes:
    with Image.open(path) as picture:
        picture = picture.convert('RGB')
        picture.thumbnail((MAX_WIDTH, 20 * MAX_WIDTH))
        content = io.BytesIO()
        picture.save(content, 'JPEG', quality=88)
    return content.getvalue()


def _text(text: str, lines: bool = False) -> str:
    parts = str(text).split('\n') if lines else [text]
    return '\n'.join(html.escape(shown(part)) for part in parts)


def keys_of(training: Training) -> list[str]:
    """Those of :data:`PANELS` that were logged."""
    return [key for key in PANELS if any(key in values for _, values in training.records)]


def draw_curves(training: Training, keys: Sequence[str], file_format: str = 'svg') -> bytes:
    """Panels of what was logged, side by side.

    Args:
        training (Training): The log.
        keys (Sequence[str]): Keys of :data:`PANELS`; beside the loss of the steps stands that of held-out images.
        file_format (str): 'svg', without a background, for light and dark pages; or 'png'. Defaults to 'svg'.

    Returns:
        bytes: The picture.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    with matplotlib.rc_context({name: GREY for name in GREY_PARTS}):
        figure = Figure(figsize=(5 * max(len(keys), 1), 3.2), layout='constrained')
        FigureCanvasAgg(figure)
        for panel, key in zip(figure.subplots(1, max(len(keys), 1), squeeze=False)[0], keys):
            _draw_panel(panel, training, key)
        content = io.BytesIO()
        figure.savefig(content, format=file_format, dpi=110, transparent=file_format == 'svg')
    return content.getvalue()


def _draw_panel(panel, training: Training, key: str) -> None:
    own, held_out = _series(training, key), _series(training, HELD_OUT)
    is_probe = key.startswith('probe/')
    panel.plot(*own, 'o-' if is_probe else '-', label='pre-trained so far' if is_probe else 'training')
    if is_probe and own[0][0] == 0:
        panel.axhline(own[1][0], color=GREY, linestyle='--', label='untrained')
        panel.legend(frameon=False)
    if key == 'loss' and held_out[0]:
        panel.plot(*held_out, 'o-', label='held-out images')
        panel.legend(frameon=False)
    panel.set_title(PANELS[key], fontsize=10)
    panel.set_xlabel('iteration')
    panel.grid(alpha=.3)


def _series(training: Training, key: str) -> tuple[list[float], list[float]]:
    points = [(place, values[key]) for place, values in training.records if key in values]
    return [place for place, _ in points], [value for _, value in points]
