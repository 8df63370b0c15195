"""Draw and measure reconstructions of the same images under the same masks by several models."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.compare_reconstructions import main  # noqa: E402

if __name__ == '__main__':
    main()
