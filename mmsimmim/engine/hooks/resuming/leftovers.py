"""What a run that was killed while it wrote or removed checkpoints has left in its folder."""

import os
import os.path as osp
from collections.abc import Iterable

from mmengine.logging import MessageHub

# In a checkpoint: files that are removed as soon as it is written.
OUTDATED = 'outdated_ckpts'
UNFINISHED = '.pth.tmp'


def note_outdated(hub: MessageHub, paths: Iterable[str]) -> None:
    """Note in the next checkpoint what it replaces, for the case that a kill comes before that is removed.

    Args:
        hub (MessageHub): The run's.
        paths (Iterable[str]): Files that will be removed.
    """
    hub.update_info(OUTDATED, sorted({osp.basename(path) for path in paths}))


def remove_leftovers(folder: str, hub: MessageHub) -> list[str]:
    """Finish what a kill has interrupted; the lock on the folder keeps other runs out meanwhile.

    Args:
        folder (str): Where the run writes its checkpoints.
        hub (MessageHub): The run's, as it was resumed.

    Returns:
        list[str]: The names of what was removed: unfinished files, and those that the checkpoint of the resumed run
        says it replaces, unless they are still its best.
    """
    info = hub.runtime_info
    best = {osp.basename(path) for key, path in info.items() if key.startswith('best_ckpt') and isinstance(path, str)}
    outdated = info.get(OUTDATED) or []
    outdated = {name for name in outdated if isinstance(name, str) and osp.basename(name) == name} - best
    names = [name for name in sorted(os.listdir(folder) if osp.isdir(folder) else [])
             if (name.endswith(UNFINISHED) or name in outdated) and osp.isfile(osp.join(folder, name))]
    for name in names:
        os.remove(osp.join(folder, name))
    return names
