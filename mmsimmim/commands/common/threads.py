"""How the threads of PyTorch wait, which has to be said before it is imported."""

import os


def limit_thread_spinning() -> None:
    """Let OpenMP threads spin for a moment only, unless the environment says how they wait.

    Threads that spin while they wait slow a training many times when another process wants a core, and those that sleep
    at once slow compiled steps up to twice. Where PyTorch is imported already, this counts for child processes alone.
    """
    if 'OMP_WAIT_POLICY' not in os.environ:
        os.environ['OMP_WAIT_POLICY'] = 'PASSIVE'
        os.environ.setdefault('GOMP_SPINCOUNT', '1000')
