"""Check the datasets of an mmdet or mmseg config before a training: what is missing or broken, or does not fit."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.check_dataset import main  # noqa: E402

if __name__ == '__main__':
    main()
