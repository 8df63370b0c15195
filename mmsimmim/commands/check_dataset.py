"""Check the datasets of an mmdet or mmseg config before a training: what is missing or broken, and what does not fit.

Detection: datasets in COCO format. Segmentation: folders of images and of label maps. The exit code is 1 if there
are errors.
"""

import argparse
import os
import sys

from mmengine.logging import MMLogger

from .common.mistakes import report_mistakes
from .config.options import add_config_options

EXAMPLES = """examples:
  python -m mmsimmim check_dataset configs/demo/upernet_swin-demo-w8_1xb12-40i_nuclei-128px.py
  python -m mmsimmim check_dataset CONFIG --images --cfg-options data_root=/data/cells
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument('--images', action='store_true',
                        help='decode every image, which finds those that are cut off (default: only their headers)')
    parser.add_argument('--sample', type=int, metavar='N',
                        help='look into N images and label maps of each dataset only (default: all)')
    parser.add_argument('--workers', type=int, default=os.cpu_count(), help='threads (default: %(default)s)')
    add_config_options(parser, 'settings that replace those of the config')
    args = parser.parse_args(argv)
    for name in ('sample', 'workers'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name} must be at least 1')
    return args


@report_mistakes
def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    from ..datasets.checks import Reading, check_config
    from .config.loading import load_config

    MMLogger.get_current_instance().setLevel('WARNING')  # the output is the report
    cfg, messages = load_config(args, needed=())
    print(*messages, sep='\n', end='\n' if messages else '', file=sys.stderr)
    report = check_config(cfg, Reading(args.workers, args.sample, args.images))
    print(report)
    if report.count('error'):
        sys.exit(1)

