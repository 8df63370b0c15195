"""Bring COCO or ADE20K into the folders that the configs expect, then check them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.prepare_dataset import main  # noqa: E402

if __name__ == '__main__':
    main()
