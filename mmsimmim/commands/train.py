"""Train any config: SimMIM pre-training and mmpretrain, mmdet or mmseg models on top of it."""

import argparse

from mmengine.config import Config

from ..interruption import handled_signals
from .common.launching import spread
from .common.mistakes import report_mistakes
from .common.threads import limit_thread_spinning
from .config.options import add_common_arguments


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file, or one that came with a package: mmsimmim::pretrain/NAME.py')
    parser.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                        help='resume from a checkpoint; without a path, from the last complete one in the work folder')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision (bfloat16 where there is)')
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate during the training')
    parser.add_argument('--auto-scale-lr', action='store_true',
                        help='scale all learning rates to the effective batch size (batch size x processes x '
                             'accumulated steps), relative to auto_scale_lr.base_batch_size')
    add_common_arguments(parser)
    return parser.parse_args()


def skip_validation(cfg: Config) -> None:
    """Train without the validation set, and without the reconstructions that the default hook draws of it."""
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    pictures = (cfg.get('default_hooks') or {}).get('reconstruction')
    if pictures and not pictures.get('images'):
        cfg.default_hooks.pop('reconstruction')


@report_mistakes
def main() -> None:
    args = parse_args()
    limit_thread_spinning()
    spread('train', args.devices, args.launcher)
    with handled_signals():
        from .common.distributed import ending_connection

        with ending_connection():
            train(args)


def train(args: argparse.Namespace) -> None:
    """Train as the arguments say."""
    from ..checkpoints.resuming.resume import set_resume, work_folders
    from ..engine.hooks.resuming.check_architecture import require_same_architecture
    from ..engine.hooks.resuming.check_training_state import require_same_training
    from ..engine.hooks.resuming.follow_schedule import follow_schedule
    from ..engine.hooks.resuming.keep_implementation import keep_implementation
    from ..engine.hooks.resuming.own_folder import keep_to_own_folder
    from ..engine.hooks.resuming.validate_again import validate_again
    from ..engine.hooks.resuming.within_epoch import go_on_within_epoch
    from .checks.data_files import check_data_files, naming_packed_files
    from .checks.encoder_outputs import check_encoder_outputs
    from .checks.finished import describe_finished
    from .checks.model_files import check_initial_weights, skip_initial_weights
    from .checks.training_data import check_length
    from .common.auto_scale_lr import scale_lr
    from .common.distributed import connect_on_cpu, get_world_size
    from .common.folder_lock import is_first, locked
    from .common.mixed_precision import enable_amp
    from .common.runner import build_runner
    from .common.traces import leaving_nothing
    from .config.loading import load_config

    cfg, messages = load_config(args, needed=('model', 'train_cfg', 'train_dataloader', 'optim_wrapper'))
    check_length(cfg)
    world_size = get_world_size(args.launcher)
    if args.no_validate:
        skip_validation(cfg)
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr or (cfg.get('auto_scale_lr') or {}).get('enable'):
        messages += scale_lr(cfg, world_size)
    folders = work_folders(cfg)
    with (locked(folders, args.launcher) as warnings,
          leaving_nothing(folders, cfg.filename, is_first(args.launcher)) as begun):
        messages += set_resume(cfg, args.resume)
        messages += describe_finished(cfg)
        check_initial_weights(cfg)
        check_data_files(cfg, ('train', 'val'))
        check_encoder_outputs(cfg)
        connect_on_cpu(cfg)

        runner = build_runner(cfg, training=True)
        runner.register_hook(begun)
        if cfg.get('resume'):
            require_same_architecture(runner)
            require_same_training(runner)
            skip_initial_weights(runner)
            keep_implementation(runner)
            keep_to_own_folder(runner)
            go_on_within_epoch(runner)
            follow_schedule(runner)
            validate_again(runner)
        for warning in warnings:
            runner.logger.warning(warning)
        for message in messages:
            runner.logger.info(message)
        with naming_packed_files(cfg):
            runner.train()
