"""Memory of this machine and of this process, as Linux tells it."""

import resource
import sys
from pathlib import Path


def available(meminfo: Path = Path('/proc/meminfo'), cgroup: Path = Path('/sys/fs/cgroup')) -> int | None:
    """Bytes that new processes can have, in a container no more than that is allowed; None where nobody tells."""
    known = [size for size in (_of_machine(meminfo), _of_container(cgroup)) if size is not None]
    return min(known, default=None)


def peak() -> int:
    """Most bytes that this process had in memory so far."""
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def be_killed_first() -> None:
    """If memory runs out nevertheless, let the kernel end this process, and no other."""
    try:
        Path('/proc/self/oom_score_adj').write_text('1000')
    except OSError:
        pass


def _of_machine(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith('MemAvailable:')]
    return sizes[0] if sizes else None


def _of_container(cgroup: Path) -> int | None:
    for limit, used in (('memory.max', 'memory.current'),
                        ('memory/memory.limit_in_bytes', 'memory/memory.usage_in_bytes')):
        try:
            most = (cgroup / limit).read_text().strip()
            if most == 'max':
                continue
            return max(0, int(most) - int((cgroup / used).read_text()) + _files_in_memory(cgroup / used))
        except (OSError, ValueError):
            continue
    return None


def _files_in_memory(beside: Path) -> int:
    """Bytes of files that the kernel keeps as long as nobody needs the memory."""
    for line in (beside.parent / 'memory.stat').read_text().splitlines():
        if line.startswith(('inactive_file ', 'total_inactive_file ')):
            return int(line.split()[1])
    return 0
