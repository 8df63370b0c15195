"""The number of GPUs from which the network between machines limits pre-training, calculated."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.scaling import main  # noqa: E402

if __name__ == '__main__':
    main()
