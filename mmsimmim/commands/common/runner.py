"""The runner of a config."""

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import FlexibleRunner, Runner

from ...engine.compiling import read_switch
from ..checks.evaluation_data import load_evaluation_data
from ..checks.model_files import check_palettes
from ..checks.parts import check_parts
from ..checks.training_data import DataFirstRunner, TestDataFirstRunner, load_training_data
from ..config.loading import drop_idle_visualization
from .distributed import carry_unused_parameters
from .sharding import settle_sharding


def build_runner(cfg: Config, training: bool = False) -> Runner:
    """MMEngine's Runner, or the kind of runner that the config names.

    Args:
        cfg (Config): The config.
        training (bool): Whether to train or to test: the data for it is loaded before the model is built. Defaults to
            False.

    Returns:
        Runner: The runner.

    Raises:
        UserError: A palette that the model needs is missing or broken, there is no such optimizer, ``compile`` is
            neither a switch nor options, ``find_unused_parameters`` is contradicted by ``model_wrapper_cfg``, the
            config asks for something that does not go with :class:`mmsimmim.FSDPStrategy`, the training would have no
            step, or there is nothing to evaluate on.
    """
    check_palettes(cfg)
    read_switch(cfg)
    carry_unused_parameters(cfg)
    check_parts(cfg)
    messages = settle_sharding(cfg)
    drop_idle_visualization(cfg)
    if 'runner_type' not in cfg:
        return (DataFirstRunner if training else TestDataFirstRunner).from_cfg(cfg)
    cfg.setdefault('env_cfg', {})  # which FlexibleRunner does not do without
    runner = RUNNERS.build(cfg)
    for message in messages:
        runner.logger.info(message)
    if isinstance(runner, FlexibleRunner):  # which builds its model when it trains or tests
        if training:
            load_training_data(runner)
        load_evaluation_data(runner, 'val' if training else 'test')
    return runner
