"""A folder of images in, a backbone out."""

import os
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UserError, shown
from ...interruption import RESUMABLE
from ..common.folder_lock import locked
from ..config.loading import read_config
from .finish import export, is_finished, last_checkpoint
from .follow import OUTPUT, ending_with_us, records, start
from .live import LiveLine
from .next_commands import next_commands
from .prepare import prepare, require_request
from .show import PAGE, Page, draw_inputs
from .source import Data
from .summary import reached, read_summary, took, write_summary
from .write import NAME, read_notes

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
            super().__init__(f'Interrupted; {resuming(out)} (resume=True) goes on.')
        else:
            again = '' if any(out.glob('train/*.pth')) else f' To begin anew, remove {out} first.'
            super().__init__(f'The training ended with status {status}:\n{_tail(out / OUTPUT)}\n'
                             f'All that it printed is in {out / OUTPUT}.{again}')


def resuming(out: Path) -> str:
    """The command that goes on with a run."""
    return f'mmsimmim pretrain --out {shlex.quote(str(out))} --resume'


def _tail(path: Path) -> str:
    """The mistake that it ended with, or else its last lines."""
    lines = path.read_text(encoding='utf-8', errors='backslashreplace').splitlines()[-LINES:]
    mistake = next((number for number, line in enumerate(lines) if line.startswith('error: ')), 0)
    lines = lines[mistake:]
    return '\n'.join(shown(line[:LINE]) for line in lines[-LINES:])


def pretrain(data: Data | None,
             out: str | os.PathLike,
             arch: str | None = None,
             img_size: int | None = None,
             object_size: float | None = None,
             epochs: float | None = None,
             hours: float | None = None,
             batch_size: int | None = None,
             devices: int | None = None,
             precision: str | None = None,
             config: str | None = None,
             settings: Mapping[str, Any] | None = None,
             start_from: str | os.PathLike | None = None,
             labelled: str | os.PathLike | None = None,
             resume: bool = False,
             seed: int | None = None) -> Pretrained:
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
        devices (int, optional): Processes, each with a GPU where there are any. Defaults to None: 1.
        precision (str, optional): 'bf16', 'fp16' or 'fp32'. Defaults to None: the fastest.
        config (str, optional): Another config than the one for ``arch``. Defaults to None.
        settings (Mapping[str, Any], optional): For ``--cfg-options``; they win over all that is chosen.
        start_from (str | os.PathLike, optional): Checkpoint to begin with, any that ``mmsimmim inspect`` knows; of a
            pre-training mask token and decoder are kept, too. The encoder is told from it. Defaults to None: random
            weights.
        labelled (str | os.PathLike, optional): Folder with ``train/CLASS/`` and ``val/CLASS/``, or with ``CLASS/``
            alone, on which frozen features are probed before the first step and at each validation. No weight depends
            on it. Defaults to None.
        resume (bool): Go on with the run in ``out`` where it stopped; other arguments must be as they were, or left
            out. Of a finished run it makes what is missing. Defaults to False.
        seed (int, optional): Of weights, crops and masks. Defaults to None: 0.

    Returns:
        Pretrained: Paths and figures.

    Raises:
        UserError: Something given does not work; the message says what and what to do.
        TrainingStopped: The training was interrupted, or failed; the message holds the end of what it printed.
    """
    out = Path(out).absolute()
    request = dict(data=data, arch=arch, img_size=img_size, object_size=object_size, epochs=epochs, hours=hours,
                   batch_size=batch_size, devices=devices, precision=precision, config=config, settings=settings,
                   start_from=start_from, labelled=labelled, seed=seed)
    if resume:
        require_request(out, request)
    else:
        prepare(out, request)
    page = _train(out / NAME, resume)
    return _finish(out / NAME, page)


def _train(config: Path, resume: bool) -> Page:
    """Run the config in a process of its own, and show what it does."""
    cfg, out = read_config(str(config)), config.parent
    summary = read_summary(out)
    devices, max_iters = summary['machine']['devices'], cfg.train_cfg.max_iters
    batch_size = cfg.train_dataloader.batch_size * devices
    page = Page(f'SimMIM pre-training: {out.name}', out, read_notes(config)[1:], max_iters, batch_size)
    if resume and is_finished(out / 'train', max_iters):
        print(f'The run in {out} is finished: there is nothing to train.')
        return page
    with locked([str(out / 'train')]):  # by a training of this folder that is alive it is refused
        pass
    print(f'Crops and masks: {draw_inputs(cfg, out)}')
    line = LiveLine(max_iters, batch_size)
    page.write('Reading the images.', running=True)
    print(f'Curves and pictures while it runs: {out / PAGE}', flush=True)
    began = time.monotonic()
    process = start(config, devices, resume)
    try:
        with ending_with_us(process):
            for record in records(process, out / 'train'):
                if record is not None:
                    line.show(record)
                    page.show(record)
    finally:
        line.close()
        write_summary(out, took(summary, time.monotonic() - began, 'training_seconds'))
        if process.returncode:
            page.write(f'Stopped. {resuming(out)} goes on.', running=False)
    if process.returncode:
        raise TrainingStopped(out, process.returncode)
    return page


def _finish(config: Path, page: Page) -> Pretrained:
    """Export the encoder, and write down what came out."""
    out = config.parent
    began, summary = time.monotonic(), read_summary(out)
    checkpoint = last_checkpoint(out / 'train')
    files = _export(checkpoint, out, page)
    commands = next_commands(read_config(str(config)), config, checkpoint, files['backbone'])
    if 'files' not in summary:  # what is made again took no longer
        summary = took(summary, time.monotonic() - began)
    summary.update(config=str(config), checkpoint=str(checkpoint), files=files,
                   **reached(out / 'train', page.batch_size), next_commands=commands)
    write_summary(out, summary)
    page.write(f'Finished after {page.max_iters:,} iterations.', running=False, files=files, commands=commands)
    print(f'Finished: {out / PAGE}. The encoder for mmdet, mmsegmentation and mmpretrain: {files["backbone"]}', 'Next:',
          *commands, sep='\n')
    return Pretrained(out, config, checkpoint, files, summary)


def _export(checkpoint: Path, out: Path, page: Page) -> dict[str, str]:
    """Export the encoder; where that fails, say on the page too that the training is not lost."""
    try:
        return export(checkpoint, out)
    except UserError as error:
        with suppress(UserError):  # the disk may be full for the page, too
            page.write(f'Trained; the encoder is not exported yet. {resuming(out)} does it.', running=False)
        raise UserError(f'{error} What was trained is in {checkpoint}: {resuming(out)} exports it.') from error
