"""Whether a run that is to be resumed has finished."""

from mmengine.config import Config

from ...checkpoints.reading.files import read_checkpoint


def describe_finished(cfg: Config) -> list[str]:
    """Say that there is nothing left to do.

    Args:
        cfg (Config): After :func:`mmsimmim.checkpoints.resuming.resume.set_resume`.

    Returns:
        list[str]: A message for the log; none if there is more to do, or it cannot be told without a download.
    """
    path = cfg.get('load_from')
    if not cfg.get('resume') or not path or '://' in path:
        return []
    meta = read_checkpoint(path, mmap=True).get('meta', {})
    for key, what, done in (('max_epochs', 'epochs', meta.get('epoch')), ('max_iters', 'iterations', meta.get('iter'))):
        wanted = cfg.train_cfg.get(key)
        if isinstance(wanted, int) and isinstance(done, int) and done >= wanted:
            return [f'The run has finished: {path} is that of {done} {what}, and train_cfg.{key} is {wanted}. Nothing '
                    f'is trained. To go on set train_cfg.{key} to more.']
    return []
