"""Averaged weights, whoever holds the model."""

from functools import partial

from mmengine.hooks import EMAHook as MMEngineEMAHook
from mmengine.model import is_model_wrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import Tensor, nn

from ...errors import UserError
from ...registry import HOOKS
from ..fsdp import free_whole, is_sharded, load_full, with_shards_of


@HOOKS.register_module()
class EMAHook(MMEngineEMAHook):
    """MMEngine's exponential moving average of the weights, which also goes with ``FlexibleRunner`` and FSDP.

    MMEngine's copies the model, which a sharded one does not allow, and under ``FlexibleRunner`` it cannot resume, as
    that runner loads the checkpoint before the hook has its copy. Numbers and checkpoints are the same: averages are
    evaluated and are the checkpoint's ``state_dict``, the weights in training its ``ema_state_dict``. Under
    :class:`FSDPStrategy` the averages are sharded as the weights are.

    Args:
        **kwargs: As MMEngine's ``EMAHook``.

    Raises:
        UserError: At the start, if the model is sharded and ``device`` is given.

    Examples:
        >>> custom_hooks = [dict(type='mmsimmim.EMAHook', momentum=1e-4)]
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.ema_model: nn.Module | None = None
        self._resumed: dict[str, Tensor] | None = None
        self._skeleton: nn.Module | None = None

    def before_run(self, runner: Runner) -> None:
        """Copy the model, and take up averages that were resumed before.

        Args:
            runner (Runner): The runner, with its model.
        """
        self.src_model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        source = self.src_model
        if is_sharded(source):
            if self.ema_cfg.get('device') is not None:
                raise UserError('EMAHook: device does not go with FSDPStrategy, which shards the averages as the '
                                'weights. Leave it out.')
            self._skeleton = runner.strategy.skeleton
            free_whole(source)
            source = with_shards_of(source, self._skeleton)
        self.ema_model = MODELS.build(self.ema_cfg, default_args=dict(model=source))
        if self._resumed is not None:
            self._load(self._resumed)
            self._resumed = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Resume the averages, or begin with the weights that are loaded.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): Changed in place: its ``state_dict`` is then that of the weights in training.
        """
        if self.ema_model is not None and self._skeleton is None:
            super().after_load_checkpoint(runner, checkpoint)
        elif runner._resume and 'ema_state_dict' in checkpoint:
            self._swap_ema_state_dict(checkpoint)
            self._resumed = checkpoint['ema_state_dict']
        elif runner._resume:
            runner.logger.warning('The checkpoint has no averaged weights (ema_state_dict); the averages begin with '
                                  'its weights.')
        # The copy is made after the weights are loaded.

    def _load(self, state_dict: dict[str, Tensor]) -> None:
        if self._skeleton is None:
            self.ema_model.load_state_dict(state_dict, strict=self.strict_load)
            return
        self.ema_model.steps.copy_(state_dict['steps'])
        weights = {name: value for name, value in state_dict.items() if name != 'steps'}
        load_full(self.ema_model.module, self._skeleton,
                  partial(_load_checkpoint_to_model, checkpoint=weights, strict=self.strict_load))

    def _swap_ema_parameters(self) -> None:
        free_whole(self.src_model)
        super()._swap_ema_parameters()
