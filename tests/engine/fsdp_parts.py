"""What processes must agree on, shown with a model of four layers; used in two processes."""

import copy

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mmsimmim.engine.fsdp import gather, shard
from mmsimmim.errors import UserError


class SwinBlock(nn.Linear):
    """A unit by its name."""


class Model(nn.Module):
    """A block and three heads, of which the last is never used."""

    def __init__(self):
        super().__init__()
        self.block, self.first, self.second, self.third = (kind(3, 3) for kind in (SwinBlock, *[nn.Linear] * 3))

    def forward(self, x, both=False):
        x = self.block(x)
        loss = self.first(x).square().mean()
        return loss + self.second(x).square().mean() if both else loss


def build(**kwargs):
    torch.manual_seed(0)
    model = Model()
    shard(model, ('SwinBlock', ), 2, **kwargs)
    return model


def step(model, *both):
    """A step on the images of this process, which uses the second head where ``both`` says so; what goes wrong."""
    rank = torch.distributed.get_rank()
    model.zero_grad()
    try:
        model(torch.arange(6.).reshape(2, 3) + rank, both[rank]).backward()
    except UserError as error:
        return str(error)


def gradients(model):
    return {name.removeprefix('module.'): None if parameter.grad is None else gather(parameter.grad)
            for name, parameter in model.named_parameters()}


def check():
    """What the test looks at, of this process."""
    found = dict(unequal=step(build(), False, True))
    model = build()
    found['equal'] = step(model, True, True)
    found['changed'] = step(model, False, False)
    model = build(find_unused_parameters=True)
    torch.manual_seed(0)
    plain = DistributedDataParallel(Model(), find_unused_parameters=True)
    for name, both in dict(one=(False, True), none=(False, False), each=(True, True)).items():
        found[name] = step(model, *both), step(plain, *both), gradients(model), gradients(plain)
    found['modes'] = modes(model)
    found['copied'] = refusal(model)
    found['clipped'] = clip(model)
    return found


def modes(model):
    """Kinds of the parameters in training, in evaluation, after one pass of one process alone, and in training."""
    kinds = [kinds_of(model)]
    model.eval()
    kinds.append(kinds_of(model))
    with torch.no_grad():
        if torch.distributed.get_rank():
            model.first(model.block(torch.ones(1, 3)))
    for module in model.modules():
        module.training = True
    kinds.append(kinds_of(model))
    step(model, True, True)
    return [*kinds, kinds_of(model)]


def kinds_of(model):
    return sorted({type(parameter).__name__ for parameter in model.parameters()})


def refusal(model):
    try:
        copy.deepcopy(model)
    except UserError as error:
        return str(error)


def clip(model):
    """Largest gradients, clipped by value."""
    nn.utils.clip_grad_value_([p for p in model.parameters() if p.grad is not None], 1e-3)
    return max(gather(copy.copy(p.grad)).abs().max().item() for p in model.parameters() if p.grad is not None)
