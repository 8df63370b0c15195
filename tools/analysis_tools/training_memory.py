"""Training memory per GPU of a config."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.training_memory import main  # noqa: E402

if __name__ == '__main__':
    main()
