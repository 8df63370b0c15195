"""Train any config: SimMIM pre-training and mmpretrain, mmdet or mmseg models on top of it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Before torch is imported: OpenMP threads that spin while they wait slow a training many times when another process
# wants a core, and those that sleep at once slow compiled steps up to twice.
if 'OMP_WAIT_POLICY' not in os.environ:
    os.environ['OMP_WAIT_POLICY'] = 'PASSIVE'
    os.environ.setdefault('GOMP_SPINCOUNT', '1000')

from mmsimmim.commands.train import main  # noqa: E402

if __name__ == '__main__':
    main()
