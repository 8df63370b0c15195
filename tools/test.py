"""Test a checkpoint of any config: SimMIM pre-training and mmpretrain, mmdet or mmseg models on top of it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmsimmim.commands.test import main  # noqa: E402

if __name__ == '__main__':
    main()
