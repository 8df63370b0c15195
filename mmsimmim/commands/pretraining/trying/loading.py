"""How fast a config's images are read."""

import time

from mmengine.config import Config
from mmengine.runner import Runner

# The pace does not depend on the batch, and small ones show it sooner.
IMAGES = 32


def loading_rate(cfg: Config, seconds: float, images: int = IMAGES) -> float:
    """Images per second that the training's data loader gives to somebody who takes them at once.

    Args:
        cfg (Config): Of the training.
        seconds (float): After this time no further batch is waited for; one at least is measured.
        images (int): Of a batch. Defaults to 32.

    Returns:
        float: The rate after the first batch of each worker, which takes longer.
    """
    loader = Runner.build_dataloader(dict(cfg.train_dataloader, batch_size=images), seed=0)
    skipped = max(1, loader.num_workers)
    begin = began = time.perf_counter()
    taken = 0
    for taken, _ in enumerate(loader, start=1):
        now = time.perf_counter()
        if taken == skipped:
            begin = now
        if taken > skipped and now - begin > seconds:
            break
    if taken > skipped:
        return (taken - skipped) * images / (now - begin)
    return taken * images / (time.perf_counter() - began)  # all of an epoch is less than that
