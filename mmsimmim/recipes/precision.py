"""The precision that a machine computes in fastest."""

from pathlib import Path

# What makes a CPU's bfloat16 faster than its float32.
FLAGS = ('avx512_bf16', 'amx_bf16')


def fast_precision(on_cpu: bool, cpuinfo: Path = Path('/proc/cpuinfo')) -> str:
    """'bf16', except on a CPU without instructions for it, as far as Linux says.

    Args:
        on_cpu (bool): Whether the training is on a CPU.
        cpuinfo (Path): Where Linux lists its instructions.

    Returns:
        str: 'bf16' or 'fp32'.
    """
    if not on_cpu:
        return 'bf16'
    try:
        text = cpuinfo.read_text()
    except OSError:
        return 'fp32'
    return 'bf16' if any(flag in text for flag in FLAGS) else 'fp32'
