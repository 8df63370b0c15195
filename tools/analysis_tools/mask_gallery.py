"""The same image under several masks, side by side: strategies, patch sizes, ratios."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.mask_gallery import main  # noqa: E402

if __name__ == '__main__':
    main()
