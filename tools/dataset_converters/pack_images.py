"""Pack an image folder into one file, for storage on which many small files are slow."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.pack_images import main  # noqa: E402

if __name__ == '__main__':
    main()
