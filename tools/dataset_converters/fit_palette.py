"""Fit a palette to the pixels of your images: the colours that mmsimmim.ColourClusterTarget tells apart."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.fit_palette import main  # noqa: E402

if __name__ == '__main__':
    main()
