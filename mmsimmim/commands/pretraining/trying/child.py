"""What the process of a trial does. ``python -m mmsimmim.commands.pretraining.trying.child CONFIG RESULT ...``."""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from ...common.mistakes import report_mistakes
from ...common.threads import limit_thread_spinning

# Of the memory that is free. The rest is for fragments, for what other processes take meanwhile, and for NCCL.
SHARE_OF_GPU, SHARE_OF_GPU_CONNECTED = 0.9, 0.85
# Workers and page cache need some too.
SHARE_OF_HOST = 0.75
# No recipe gives a GPU fewer images at a time, if they fit.
IMAGES_OF_A_GPU = 64
# Images of the steps on a CPU whose memory is compared. For the time it is enough to see so many seconds.
FEW, MORE = 2, 8
SECONDS, SLOW = 4.0, 8.0
SECONDS_OF_LOADING = 2.0


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config')
    parser.add_argument('result', type=Path)
    parser.add_argument('--images', type=int, required=True, help='of an iteration of one process, at most')
    parser.add_argument('--devices', type=int, default=1)
    return parser.parse_args()


@report_mistakes
def main() -> None:
    args = parse_args()
    limit_thread_spinning()
    from .host_memory import be_killed_first

    be_killed_first()
    result = measure(args.config, args.images, args.devices)
    temporary = args.result.with_suffix('.tmp')
    temporary.write_text(json.dumps(result), encoding='utf-8')
    os.replace(temporary, args.result)


def measure(config: str, images: int, devices: int) -> dict[str, Any]:
    """Search and measure.

    Args:
        config (str): The training's.
        images (int): Of an iteration of one process, at most.
        devices (int): Processes of the training.

    Returns:
        dict[str, Any]: ``largest_batch`` (0 if not even one image fits), ``measuring`` (seconds that the trial spent
        on more than the start of a training); if some fit, ``steps`` (pairs of images and seconds of an
        iteration), ``loading_rate`` (images per second of this process), ``num_workers`` and ``threads``.
    """
    from mmengine.device import get_device

    from ...config.loading import read_config, set_up_loaders

    cfg = read_config(config)
    set_up_loaders(cfg, no_pin_memory=False, no_persistent_workers=True)
    begin = time.perf_counter()
    device = get_device()
    found = _on_cpu(cfg, images, devices) if device == 'cpu' else _on_gpu(cfg, device, images, devices)
    if found['largest_batch']:
        import torch

        from .loading import loading_rate
        found |= dict(loading_rate=loading_rate(cfg, SECONDS_OF_LOADING), threads=torch.get_num_threads(),
                      num_workers=cfg.train_dataloader.get('num_workers', 0))
    return dict(found, measuring=time.perf_counter() - begin)


def _on_gpu(cfg, device: str, images: int, devices: int) -> dict[str, Any]:
    import torch

    from .search import largest_batch
    from .steps import Steps
    if device.startswith('cuda'):
        share = SHARE_OF_GPU if devices == 1 else SHARE_OF_GPU_CONNECTED
        free, total = torch.cuda.mem_get_info()
        torch.cuda.set_per_process_memory_fraction(share * free / total)
    steps = Steps(cfg, device)
    if not steps.begin(1):
        return dict(largest_batch=0)
    largest = largest_batch(steps.fits, images)
    if not largest:
        return dict(largest_batch=0)
    steps.update_always()
    steps.compile()
    # The batch may be chosen smaller in the end. PyTorch compiles for the first size.
    sizes = [largest] if steps.compiles else sorted({largest, min(largest, IMAGES_OF_A_GPU)}, reverse=True)
    return dict(largest_batch=largest, steps=[(size, steps.time(size, SECONDS, warm_up=3)) for size in sizes])


def _on_cpu(cfg, images: int, devices: int) -> dict[str, Any]:
    """From the memory of two small steps, as nothing can be caught where the kernel ends processes."""
    from . import host_memory
    from .search import within_memory
    from .steps import Steps
    available, before = host_memory.available(), host_memory.peak()
    steps = Steps(cfg, 'cpu')
    few, more = min(FEW, images), min(MORE, images)
    begin = time.perf_counter()
    steps.begin(few)
    few_peak = host_memory.peak()
    # A slow encoder is known well enough; what all takes is then taken for that of its images.
    slow = time.perf_counter() - begin > SLOW
    points = [(0, before), (few, few_peak)]
    if more > few and not slow:
        steps.fits(more)
        points = [(few, few_peak), (more, host_memory.peak())]
    largest = images
    if available is not None:
        largest = within_memory(*points, int(SHARE_OF_HOST * available / devices) + before, images)
    if not largest:
        return dict(largest_batch=0)
    steps.update_always()
    if slow:
        return dict(largest_batch=largest, steps=[(few, steps.time(few, 0, warm_up=0))])
    times = [(more, steps.time(more, SECONDS / 4, warm_up=1))]
    number = min(largest, int(more / times[0][1] * SECONDS / 4))
    if number > more:
        times.append((number, steps.time(number, SECONDS, warm_up=1)))
    return dict(largest_batch=largest, steps=times)


if __name__ == '__main__':
    main()
