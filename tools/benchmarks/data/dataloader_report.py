"""Tables of dataloader.py."""

from typing import Any

from tools.benchmarks.data.dataloader_measure import LIMIT
from tools.benchmarks.machine import heading, markdown

PACKAGES = ('torch', 'torchvision', 'mmpretrain', 'opencv-python', 'opencv-python-headless', 'pillow', 'mmsimmim')


def print_report(result: dict[str, Any]) -> None:
    """Print both tables."""
    print(heading(result, PACKAGES), f"{result['images']} images, crops of {result['args']['img_size']} px", sep='\n')
    print('\nOne process, one thread:\n')
    print(markdown(
        ['', 'images / s', 'ms per image (quartiles)', 'speed-up over official', f'share of {LIMIT}', 'difference'],
        [[row['way'], f"{row['images_per_second']:.0f}",
          '{:.2f} ({:.2f}–{:.2f})'.format(row['ms_per_image'], *row['quartiles_ms']), f"{row['times_official']:.2f}",
          f"{row['share_of_decoder']:.0%}", '' if row['difference'] is None else f"{row['difference']:.2f}"]
         for row in result['core']]))
    if result['loaders']:
        print('\nData loaders with worker processes:\n')
        print(markdown(
            ['', 'workers', 'images / s (quartiles)', 'speed-up over official'],
            [[row['way'], str(row['workers']), '{:.0f} ({:.0f}–{:.0f})'.format(row['images_per_second'], *row[
                'quartiles']), f"{row['times_official']:.2f}"] for row in result['loaders']]))
