"""Training curves from the logs of one run or several."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmsimmim.commands.plot_curves import main  # noqa: E402

if __name__ == '__main__':
    main()
