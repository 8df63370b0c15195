"""Draw original | masked | reconstruction | reconstruction with visible pixels, for an image or a folder of images."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.visualize_reconstruction import main  # noqa: E402

if __name__ == '__main__':
    main()
