"""Convert a checkpoint of Swin, Swin V2 or ViT between SimMIM's code bases; what it holds is recognised by content."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.convert_checkpoint import main  # noqa: E402

if __name__ == '__main__':
    main()
