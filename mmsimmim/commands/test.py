"""Test a checkpoint of any config: SimMIM pre-training and mmpretrain, mmdet or mmseg models on top of it."""

import argparse

from .common.launching import spread
from .common.mistakes import report_mistakes
from .common.threads import limit_thread_spinning
from .config.options import add_common_arguments


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file, or one that came with a package: mmsimmim::pretrain/NAME.py')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--test-sets', nargs='+', default=[], metavar='NAME[=FOLDER]',
                        help="test on these instead of the config's data, at its image size: imagenet imagenet_real "
                             'imagenet_v2 imagenet_a imagenet_r imagenet_sketch, or config files; FOLDER is the data '
                             '(docs/robustness.md)')
    parser.add_argument('--out', help='file for the results: .pkl for predictions, .json for metrics')
    parser.add_argument('--save-predictions', metavar='DIR',
                        help="folder for predictions in the format of the labels: COCO's JSON (mmdet), label maps "
                             '(mmseg)')
    parser.add_argument('--show', action='store_true', help='show the predictions in windows')
    parser.add_argument('--show-dir', help='folder for images of the predictions')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds that each window stays (default: 2)')
    parser.add_argument('--tta', action='store_true',
                        help='test-time augmentation, by tta_model and tta_pipeline of the config')
    add_common_arguments(parser)
    return parser.parse_args()


@report_mistakes
def main() -> None:
    args = parse_args()
    limit_thread_spinning()
    spread('test', args.devices, args.launcher)
    from .common.distributed import ending_connection

    with ending_connection():
        test(args)


def test(args: argparse.Namespace) -> None:
    """Test as the arguments say."""
    from ..checkpoints.resuming.resume import check_checkpoint
    from ..engine.hooks.resuming.check_architecture import require_same_architecture
    from .checks.data_files import check_data_files
    from .checks.model_files import skip_initial_weights
    from .common import test_sets, testing
    from .common.distributed import connect_on_cpu, get_world_size
    from .common.folder_lock import is_first
    from .common.runner import build_runner
    from .common.saved_predictions import save_predictions
    from .common.traces import leaving_nothing
    from .config.loading import load_config

    testing.check_output(args.out)
    test_sets.check_outputs(args.test_sets, args.out, args.save_predictions)
    cfg, messages = load_config(args, needed=('model', ))
    get_world_size(args.launcher)
    testing.use_validation(cfg)
    cfg.resume, cfg.load_from = False, check_checkpoint(args.checkpoint)
    if args.show or args.show_dir:
        testing.draw_predictions(cfg, args.show, args.show_dir, args.wait_time)
    if args.tta:
        testing.use_tta(cfg)
    if args.test_sets:
        test_sets.use_test_sets(cfg, args.test_sets, args.cfg_options or {})
    saved = save_predictions(cfg, args.save_predictions) if args.save_predictions else []
    check_data_files(cfg, ('test', ))
    connect_on_cpu(cfg)

    with leaving_nothing([cfg.work_dir], cfg.filename, is_first(args.launcher)) as begun:
        runner = build_runner(cfg)
        runner.register_hook(begun)
        require_same_architecture(runner)
        skip_initial_weights(runner)
        for message in messages:
            runner.logger.info(message)
        testing.run_test(runner, args.out, saved)
