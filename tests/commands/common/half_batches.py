"""Started in two processes: gradients of half the batch each, and of the whole batch in one process."""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.structures import BaseDataElement

from mmsimmim.commands.common.distributed import ending_connection
from mmsimmim.registry import MODELS

CONFIG = Path(__file__).parents[1] / 'tiny_config.py'


def make_model():
    cfg = Config.fromfile(CONFIG).model
    cfg.backbone.drop_path_rate = 0.
    torch.manual_seed(0)
    model = MODELS.build(cfg).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return model


def make_batch(size=8):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(size, 3, 32, 32, dtype=torch.float64, generator=generator)
    # As many masked tokens in each image as the mask generator draws: 10 of 16 patches.
    masks = [(torch.randperm(16, generator=generator) < 10).reshape(4, 4) for _ in range(size)]
    return images, [BaseDataElement(mask=mask.repeat_interleave(4, 0).repeat_interleave(4, 1)) for mask in masks]


def gradients(model, images, samples):
    sum(model(images, samples, mode='loss').values()).backward()
    return {name.removeprefix('module.'): parameter.grad for name, parameter in model.named_parameters()}


@ending_connection()
def main(out):
    dist.init_process_group('gloo')
    images, samples = make_batch()
    mine = slice(dist.get_rank(), None, dist.get_world_size())
    halves = gradients(MMDistributedDataParallel(make_model()), images[mine], samples[mine])
    if dist.get_rank() == 0:
        torch.save(dict(halves=halves, whole=gradients(make_model(), images, samples),
                        mine=gradients(make_model(), images[mine], samples[mine])), out)


if __name__ == '__main__':
    main(sys.argv[1])
