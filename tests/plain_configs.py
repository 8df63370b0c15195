"""MMEngine lays out the text of a config anew each time that it writes it, which takes longer than a tiny training."""

import mmengine.config.config
import yapf.yapflib.yapf_api


def write_plain_configs():
    """Leave it as it is, in this process from now on."""
    # upstream has the function by name since it was imported, the fork imports it where it is called
    for owner in (mmengine.config.config, yapf.yapflib.yapf_api):
        owner.FormatCode = lambda text, **style: (text, False)
