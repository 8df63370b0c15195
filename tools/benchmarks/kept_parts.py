"""Parts of a long benchmark: finished ones are kept, so that the same command resumes after an interruption."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmsimmim.errors import UserError

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner


class Parts:
    """The results of what is finished, a file each.

    Args:
        out (Path): Folder of the benchmark; the files go to ``out/parts``.
        preset (Any): Dataclass with the sizes that all parts have in common; kept in ``out/preset.json``.

    Raises:
        UserError: ``out`` holds parts of other sizes.
    """

    def __init__(self, out: Path, preset: Any) -> None:
        self.folder = out / 'parts'
        path = out / 'preset.json'
        sizes = json.loads(json.dumps(asdict(preset)))
        if path.exists() and json.loads(path.read_text()) != sizes:
            raise UserError(f'{out} holds parts of other sizes than these ({path.name} in it): choose another '
                            '--out, or delete it.')
        write_json(path, sizes)

    def keep(self, name: str, part: Callable[[], dict]) -> dict:
        """Run a part, unless it is finished.

        Args:
            name (str): Of the part.
            part (Callable): What to run; gives the result.

        Returns:
            dict: The result, with ``seconds`` added.
        """
        if (kept := self.find(name)) is not None:
            return kept
        begin = time.time()
        result = part()
        result['seconds'] = time.time() - begin
        write_json(self.folder / f'{name}.json', result)
        print(f'{name}: {result}', flush=True)
        return result

    def find(self, name: str) -> dict | None:
        """The result of a part, None if it is not finished."""
        path = self.folder / f'{name}.json'
        return json.loads(path.read_text()) if path.exists() else None


def train(cfg: Config) -> Runner:
    """Train as the config says.

    Args:
        cfg (Config): Of MMEngine's Runner.

    Returns:
        Runner: After the training.
    """
    from mmengine.runner import Runner

    runner = Runner.from_cfg(cfg)
    runner.train()
    # Handlers of this run's log; the next run in this process has a file of its own.
    for handler in list(runner.logger.handlers):
        runner.logger.removeHandler(handler)
        handler.close()
    return runner


def write_results(path: Path, results: dict, text: str) -> None:
    """Write numbers and tables side by side.

    Args:
        path (Path): Without suffix; '.json' and '.md' are added.
        results (dict): All numbers.
        text (str): The tables.
    """
    write_json(path.with_suffix('.json'), results)
    path.with_suffix('.md').write_text(text)


def write_json(path: Path, content: dict) -> None:
    """Write a file that is never seen half-written; folders are created.

    Args:
        path (Path): Of the file.
        content (dict): What to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f'.{os.getpid()}.tmp')
    temporary.write_text(json.dumps(content, indent=2))
    temporary.replace(path)


def mean_and_spread(values: Iterable[float], sign: str = '') -> str:
    """Mean ± standard deviation (of the sample) to one decimal.

    Args:
        values (Iterable[float]): At least one; with only one there is no deviation.
        sign (str): '+' writes it before positive means. Defaults to ''.

    Returns:
        str: For a cell of a table.
    """
    values = list(values)
    spread = f' ± {statistics.stdev(values):.1f}' if len(values) > 1 else ''
    return f'{statistics.mean(values):{sign}.1f}{spread}'
