"""A folder of images in, a backbone out."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import UserError, shown
from ...interruption import RESUMABLE
from ...recipes import Recipe
from ..config.loading import read_config
from .asked import asked_architecture
from .choose import options_of, this_machine
from .finish import export, figures, last_checkpoint, next_commands, write_summary
from .follow import OUTPUT, ending_with_us, records, start
from .live import LiveLine
from .settle import settle
from .show import PAGE, Page, draw_inputs
from .source import Data, source_options, taken_back
from .survey import survey
from .write import NAME, as_command_line, read_notes, write_config

# Of the output of a training that failed.
LINES, LINE = 15, 200


@dataclass(frozen=True)
class Pretrained:
    """What a pre-training left.

    Attributes:
        out (Path): The folder that holds all of it.
        config (Path): The config that was run; ``tools/train.py`` runs it to the same weights.
        checkpoint (Path): The last checkpoint.
        files (dict[str, str]): The encoder for ``backbone`` (mmdet, mmsegmentation, mmpretrain), ``timm`` and ``hf``
            (Hugging Face); the reason where a code base has no such encoder.
        summary (dict[str, Any]): Losses and what was chosen, as in ``summary.json``.
    """

    out: Path
    config: Path
    checkpoint: Path
    files: dict[str, str]
    summary: dict[str, Any]


class TrainingStopped(RuntimeError):
    """A training that did not come to its end.

    Args:
        out (Path): Folder of the run.
        status (int): With which it ended: 75 if a signal interrupted it, see :mod:`mmsimmim.interruption`.
    """

    def __init__(self, out: Path, status: int) -> None:
        self.status = status
        if status == RESUMABLE:
            super().__init__(f'Interrupted; mmsimmim pretrain --out {out} --resume (resume=True) goes on.')
        else:
            super().__init__(f'The training ended with status {status}:\n{_tail(out / OUTPUT)}\n'
                             f'All that it printed is in {out / OUTPUT}.')


def _tail(path: Path) -> str:
    lines = path.read_text(encoding='utf-8', errors='backslashreplace').splitlines()
    return '\n'.join(shown(line[:LINE]) for line in lines[-LINES:])


def pretrain(data: Data | None,
             out: str | os.PathLike,
             arch: str | None = None,
             img_size: int | None = None,
             object_size: float | None = None,
             epochs: float | None = None,
             hours: float | None = None,
             batch_size: int | None = None,
             devices: int = 1,
             precision: str | None = None,
             config: str | None = None,
             settings: Mapping[str, Any] | None = None,
             start_from: str | None = None,
             resume: bool = False,
             seed: int = 0) -> Pretrained:
    """Pre-train an encoder on images without labels, by SimMIM.

    What is not given is chosen from the number and size of the images, the encoder and the device.

    Args:
        data (Data): A folder of images, at any depth; a file of packed images; a text file with a path on each line;
            or a sequence of folders and text files. None to ``resume``.
        out (str | os.PathLike): Folder for all results. It must be empty, or hold this run and ``resume`` be True.
        arch (str, optional): The encoder, such as 'swin-tiny', 'swinv2-base' or 'vit-small'. Defaults to None: a Swin
            for as many images, up to Swin-T; on a CPU one of at most 5 million weights.
        img_size (int, optional): Side of the crops, in pixels. Defaults to None: chosen.
        object_size (float, optional): Side of what is to be recognised, in pixels of the images: smaller objects get
            closer crops and smaller masked patches. Defaults to None: as large as in photographs.
        epochs (float, optional): How often each image is seen. Defaults to None: chosen.
        hours (float, optional): What the run may take. Defaults to None: as long as the images are worth.
        batch_size (int, optional): Images of a step, of all devices. Defaults to None: chosen.
        devices (int): Processes, each with a GPU where there are any. Defaults to 1.
        precision (str, optional): 'bf16', 'fp16' or 'fp32'. Defaults to None: the fastest.
        config (str, optional): Another config than the one for ``arch``. Defaults to None.
        settings (Mapping[str, Any], optional): For ``--cfg-options``; they win over all that is chosen.
        start_from (str, optional): Checkpoint whose encoder to begin with. Defaults to None: random weights.
        resume (bool): Go on with the run in ``out`` where it stopped. Defaults to False.
        seed (int): Of weights, crops and masks. Defaults to 0.

    Returns:
        Pretrained: Paths and figures.

    Raises:
        UserError: Something given does not work; the message says what and what to do.
        TrainingStopped: The training was interrupted, or failed; the message holds the end of what it printed.
    """
    began = time.monotonic()
    out = Path(out).absolute()
    if resume:
        _require_run(out)
    else:
        _require_empty(out)
        with taken_back(out, unless=out / NAME):
            found = survey(source_options(data, out))
            print(*found.lines(), sep='\n')
            machine, settings = this_machine(devices, precision), settings or {}
            encoder = asked_architecture(arch, settings, found.num_training, machine.on_cpu)
            base = config or encoder.config

            def options(recipe: Recipe) -> dict[str, Any]:
                return {**found.options, **options_of(recipe, encoder), **_start(start_from), 'randomness.seed': seed,
                        **settings}

            asked = dict(img_size=img_size, object_size=object_size, epochs=epochs, hours=hours, batch_size=batch_size)
            recipe, tried = settle(found, encoder, machine, asked, settings,
                                   lambda recipe, folder: write_config(base, options(recipe), folder, []), began)
            chosen = [encoder.line, *tried, *recipe.reasons, *(f'WARNING: {warning}' for warning in recipe.warnings)]
            print(*chosen, sep='\n')
            write_config(base, options(recipe), out, [as_command_line(base, options(recipe)), *found.lines(), *chosen])
    return _finish(out / NAME, _train(out / NAME, devices, resume))


def _start(checkpoint: str | os.PathLike | None) -> dict[str, Any]:
    if checkpoint is None:
        return {}
    return {'model.backbone.init_cfg.type': 'Pretrained',
            'model.backbone.init_cfg.checkpoint': os.path.abspath(checkpoint)}


def _train(config: Path, devices: int, resume: bool) -> Page:
    """Run the config in a process of its own, and show what it does."""
    cfg = read_config(str(config))
    out = config.parent
    max_iters, batch_size = cfg.train_cfg.max_iters, cfg.train_dataloader.batch_size * devices
    print(f'Crops and masks: {draw_inputs(cfg, out)}')
    line = LiveLine(max_iters, batch_size)
    page = Page(f'SimMIM pre-training: {out.name}', out, read_notes(config)[1:], max_iters, batch_size)
    print(f'Curves and pictures while it runs: {out / PAGE}', flush=True)
    process = start(config, devices, resume)
    try:
        with ending_with_us(process):
            for record in records(process, out / 'train'):
                if record is not None:
                    line.show(record)
                    page.show(record)
    finally:
        line.close()
        if process.returncode:
            page.write(f'Stopped. mmsimmim pretrain --out {out} --resume goes on.', running=False)
    if process.returncode:
        raise TrainingStopped(out, process.returncode)
    return page


def _finish(config: Path, page: Page) -> Pretrained:
    """Export the encoder, and write down what came out."""
    out = config.parent
    checkpoint = last_checkpoint(out / 'train')
    files = export(checkpoint, out)
    commands = next_commands(config, checkpoint, files['backbone'])
    summary = dict(version=__version__, config=str(config), checkpoint=str(checkpoint), files=files,
                   **figures(out / 'train'), next_commands=commands)
    write_summary(out, summary)
    page.write(f'Finished after {page.max_iters:,} iterations.', running=False, commands=commands)
    print(f'Finished: {out / PAGE}. The encoder for mmdet, mmsegmentation and mmpretrain: {files["backbone"]}', 'Next:',
          *commands, sep='\n')
    return Pretrained(out, config, checkpoint, files, summary)


def _require_empty(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f'{out} is not empty. Give another folder, or --resume (resume=True) to go on with the run in '
                        'it.')


def _require_run(out: Path) -> None:
    if not (out / NAME).is_file():
        raise UserError(f'There is nothing to resume in {out}: it holds no {NAME}.')
