"""Say what a checkpoint holds, and which configs of this project it fits."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.inspect_checkpoint import main  # noqa: E402

if __name__ == '__main__':
    main()
