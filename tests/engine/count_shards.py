"""A hook that notes how much of a model a process holds."""

import json
from pathlib import Path

from mmengine.hooks import Hook

from mmsimmim.registry import HOOKS


@HOOKS.register_module()
class CountShards(Hook):
    """Write the numbers of parameters and of their first moments in this process, at the end of training."""

    def after_train(self, runner):
        optimizer = runner.optim_wrapper.optimizer
        held = dict(parameters=[parameter for group in optimizer.param_groups for parameter in group['params']],
                    moments=[state['exp_avg'] for state in optimizer.state.values()])
        counts = {kind: sum(here(tensor).numel() for tensor in tensors) for kind, tensors in held.items()}
        (Path(runner.work_dir) / f'shard_{runner.rank}.json').write_text(json.dumps(counts))


def here(tensor):
    return tensor.to_local() if hasattr(tensor, 'to_local') else tensor
