"""A resumed optimizer uses the implementation of its config."""

from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import FlexibleRunner, Runner
from torch.optim import Optimizer

# Settings of PyTorch's optimizers that choose the implementation, and not the result.
IMPLEMENTATION = ('fused', 'foreach', 'capturable')


def keep_implementation(runner: Runner | FlexibleRunner) -> None:
    """Let the optimizer of a resumed run compute as its config says, and not as the one that wrote the checkpoint.

    PyTorch takes all settings from the checkpoint, ``fused`` included.

    Args:
        runner (Runner | FlexibleRunner): The runner, before it trains.
    """
    runner.register_hook(KeepImplementationHook(), priority='VERY_LOW')


class KeepImplementationHook(Hook):
    """Replace :data:`IMPLEMENTATION` in the optimizer's state of a checkpoint that is loaded."""

    def after_load_checkpoint(self, runner: Runner | FlexibleRunner, checkpoint: dict) -> None:
        """Change the checkpoint in place.

        Args:
            runner (Runner | FlexibleRunner): The runner, with its optimizer.
            checkpoint (dict): What the file holds.
        """
        state, wrapper = checkpoint.get('optimizer'), runner.optim_wrapper
        if state is None:
            return
        if isinstance(wrapper, OptimWrapperDict):
            for name, one in wrapper.items():
                _take_implementation(state.get(name, {}), one.optimizer)
        else:
            _take_implementation(state, wrapper.optimizer)


def _take_implementation(state: dict, optimizer: Optimizer) -> None:
    for saved, own in zip(state.get('param_groups', []), optimizer.param_groups):
        saved.update({name: own[name] for name in IMPLEMENTATION if name in own})
