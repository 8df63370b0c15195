"""Evaluate the frozen features of a checkpoint on a labelled folder, by kNN and a linear probe."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.probe_features import main  # noqa: E402

if __name__ == '__main__':
    main()
