"""Parameters and FLOPs of classifiers, detectors, segmentors and SimMIM models, from their configs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.get_flops import main  # noqa: E402

if __name__ == '__main__':
    main()
