"""Learning rates that a config's scheduler gives."""

import torch

from mmsimmim.registry import PARAM_SCHEDULERS


def rates(scheduler_cfg, optimizer, iterations_per_epoch, wanted):
    """Learning rates of all groups in force at each wanted iteration, as the Runner would set them."""
    optimizer.step()
    scheduler = PARAM_SCHEDULERS.build(
        dict(scheduler_cfg), default_args=dict(optimizer=optimizer, epoch_length=iterations_per_epoch))
    found = {}
    for iteration in range(max(wanted) + 1):
        if iteration in wanted:
            found[iteration] = [group['lr'] for group in optimizer.param_groups]
        scheduler.step()
    return found


def optimizer_of(*groups):
    return torch.optim.AdamW([dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=rate) for rate in groups])
