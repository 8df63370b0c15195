"""Damaged and hostile checkpoints of every format, through every door."""

import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mmsimmim.checkpoints import read_checkpoint

from . import checkpoint_pickles
from .apart import run_apart
from .checkpoint_damage import damaged_bytes, damaged_content, damaged_training
from .checkpoint_doors import Doors, trained
from .checkpoint_formats import Format, formats
from .outcomes import Attempt, Outcome

SECONDS, MEMORY = 20, 2 << 30
RESUMED = 'epoch_1.pth'


def attack(seed: int, tries: int, folder: Path) -> Iterator[Attempt]:
    """Attack.

    Args:
        seed (int): Of all damage.
        tries (int): How many.
        folder (Path): For the files.

    Yields:
        Attempt: One file through one door.
    """
    torch.set_num_threads(1)
    runner = trained(folder / 'run')
    training = torch.load(folder / 'run' / RESUMED, weights_only=True)
    (folder / 'files').mkdir()
    doors, known = Doors(runner, folder / 'files'), formats(training)
    for form in known:
        form.save(form.content, folder / 'files' / form.name)
    kinds = (_bytes, _bytes, _bytes, _content, _content, _training, _pickle, _pickle, _pickle, _note)
    for number in range(tries):
        dice = random.Random(f'{seed} {number}')
        kind = kinds[number % len(kinds)]
        yield kind(f'seed {seed}, try {number}', dice, doors, known)


def _bytes(name: str, dice: random.Random, doors: Doors, known: list[Format]) -> Attempt:
    form = dice.choice(known)
    path = doors.folder / f'damaged_{form.name}'
    done, raw = damaged_bytes((doors.folder / form.name).read_bytes(), dice)
    path.write_bytes(raw)
    door = _door(form, dice, doors)

    def attempt() -> None:
        content = form.content if form.verified else _read(form, path)
        door(path, content)

    return _run(f'bytes: {form.title}', f'{name}: {done}, {door.__name__}', attempt, path)


def _read(form: Format, path: Path) -> Any:
    """What a file without checksums holds, if another reader reads it."""
    try:
        return form.read(path)
    except Exception:
        return {}


def _content(name: str, dice: random.Random, doors: Doors, known: list[Format]) -> Attempt:
    form = dice.choice(known[:8])
    path = doors.folder / f'other_{form.name}'
    done, content = damaged_content(form.content, dice)
    form.save(content, path)
    door = _door(form, dice, doors)
    return _run(f'content: {form.title}', f'{name}: {done}, {door.__name__}', partial(door, path, content), path)


def _training(name: str, dice: random.Random, doors: Doors, known: list[Format]) -> Attempt:
    path = doors.folder / 'other_training.pth'
    done, content = damaged_training(known[0].content, dice)
    torch.save(content, path)
    return _run('content: states of a training', f'{name}: {done}, resume', partial(doors.resume, path, content), path)


def _door(form: Format, dice: random.Random, doors: Doors) -> Callable:
    ways = [doors.read, doors.inspect, doors.convert]
    if 'ViT' not in form.title and 'V2' not in form.title:
        ways += [doors.load_from, doors.init_cfg]
    if form.name == RESUMED:
        ways += [doors.resume] * 2
    return dice.choice(ways)


def _pickle(name: str, dice: random.Random, doors: Doors, known: list[Format]) -> Attempt:
    path = doors.folder / 'hostile.pth'
    kind = checkpoint_pickles.write(dice, path)
    door = dice.choice((doors.read, doors.inspect, doors.convert, doors.load_from, doors.resume))

    def attempt() -> None:
        content = read_checkpoint(str(path))
        for mmap in (False, True):
            _require_bytes_of_file(read_checkpoint(str(path), mmap=mmap))
        repr(content)
        door(path, content)

    return _run(f'hostile pickles ({kind})', f'{name}: {door.__name__}', attempt, path)


def _require_bytes_of_file(content: Any) -> None:
    """Every tensor shows bytes of the file, which hostile files fill with two patterns."""
    values, known = [content], set()
    while values:
        one = values.pop()
        if id(one) in known:
            continue
        known.add(id(one))
        if isinstance(one, torch.Tensor):
            assert one.layout is torch.strided and one.device.type == 'cpu', f'a tensor of {one.layout}, {one.device}'
            stored = bytes(one.untyped_storage().tolist())
            known_bytes = (list(range(64)), [0] * 64 + [1] * 64, [])
            assert sorted(stored) in known_bytes, f'bytes that are not in the file: {stored[:99]}'
            one.flatten()[:4].clone()
        values += list(dict.values(one)) if isinstance(one, dict) else one if isinstance(one, (list, tuple)) else []


def _note(name: str, dice: random.Random, doors: Doors, known: list[Format]) -> Attempt:
    folder = doors.folder / 'noted'
    folder.mkdir(exist_ok=True)
    shutil.copy(doors.folder / RESUMED, folder / RESUMED)
    elsewhere = doors.folder / RESUMED
    raw = dice.choice((b'', dice.randbytes(40), b'/dev/zero', b'/', b'..', str(elsewhere).encode(),
                       b'a' * 5000, b'\0', b'\n\x1b[2J', b'http://localhost:9/epoch_1.pth', b'epoch_1.pth',
                       str(folder).encode(), b'/proc/self/mem'))
    (folder / 'last_checkpoint').write_bytes(raw)
    (folder / 'epoch_2.pth').unlink(missing_ok=True)
    if dice.random() < 0.5:
        done, damaged = damaged_bytes((folder / RESUMED).read_bytes(), dice)
        (folder / 'epoch_2.pth').write_bytes(damaged[:-1])
    return _run('last_checkpoint', name, partial(doors.note, folder / 'last_checkpoint', None), folder)


def _run(subject: str, name: str, attempt: Callable[[], None], path: Path) -> Attempt:
    outcome, detail = run_apart(attempt, SECONDS, path.parent if path.is_file() else path, MEMORY)
    if outcome is Outcome.CLEAR and str(path.name) not in detail and 'out.safetensors' not in detail:
        detail = f'the sentence names no file: {detail}'
        outcome = Outcome.WRONG
    return Attempt(subject, name, outcome, detail)
