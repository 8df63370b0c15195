"""How idle threads of PyTorch wait, which must be set before it is imported."""

import os


def limit_thread_spinning() -> None:
    """Let idle OpenMP threads spin only briefly, unless the environment says otherwise.

    Threads that spin while they wait slow a training many times when another process wants a core, and those that sleep
    at once slow compiled steps up to twice. Where PyTorch is imported already, this counts for child processes alone.
    """
    if 'OMP_WAIT_POLICY' not in os.environ:
        os.environ['OMP_WAIT_POLICY'] = 'PASSIVE'
        os.environ.setdefault('GOMP_SPINCOUNT', '1000')
