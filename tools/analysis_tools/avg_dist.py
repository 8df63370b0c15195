"""AvgDist of masks, as a table and a plot over patch sizes and ratios: how far masked pixels are from visible ones."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.avg_dist import main  # noqa: E402

if __name__ == '__main__':
    main()
