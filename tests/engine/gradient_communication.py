"""Started in two processes: gradients with and without compression, and the bytes that training steps send."""

import sys
from collections import Counter
from types import SimpleNamespace

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.utils import digit_version
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

from mmsimmim.commands.common.distributed import ending_connection
from mmsimmim.engine.fsdp import BLOCKS, shard
from mmsimmim.errors import UserError
from mmsimmim.registry import HOOKS, MODELS
from tests.commands.common.half_batches import CONFIG, make_batch


def make_model(blocks=1):
    cfg = Config.fromfile(CONFIG).model
    cfg.backbone.update(drop_path_rate=0., with_cp=True)
    cfg.backbone.arch.depths = [blocks] * 4
    torch.manual_seed(0)
    return MODELS.build(cfg)


def gradients(model):
    """Of this process's half of a batch."""
    images, samples = make_batch()
    mine = slice(dist.get_rank(), None, 2)
    sum(model(images[mine].float(), samples[mine], mode='loss').values()).backward()
    return {name.removeprefix('module.'): parameter.grad for name, parameter in model.named_parameters()}


def compressed(model):
    hook = HOOKS.build(dict(type='mmsimmim.CompressGradientsHook'))
    for _ in range(2):  # a second training with the same model
        hook.before_train(SimpleNamespace(model=model))
    return model


def refusal(model):
    try:
        compressed(model)
    except UserError as error:
        return str(error)


def count(module, name, sent):
    """Let a collective add up the bytes of the larger one of its tensors, of which a ring sends (n - 1) / n."""
    call = getattr(module, name)

    def counted(*args, **options):
        sent[name] += max(value.nbytes for value in (*args, *options.values()) if isinstance(value, torch.Tensor))
        return call(*args, **options)

    setattr(module, name, counted)


def bytes_of_data_parallelism(half):
    """What one step hands to all_reduce."""
    model, sent = MMDistributedDataParallel(make_model()), Counter()
    hook = default_hooks.bf16_compress_hook if half else default_hooks.allreduce_hook

    def counted(group, bucket):
        sent['all_reduce'] += bucket.buffer().nbytes // (2 if half else 1)
        return hook(group, bucket)

    model.register_comm_hook(model.process_group, counted)
    with model.no_sync():  # an accumulated pass
        gradients(model)
    gradients(model)
    return dict(sent)


def bytes_of_fsdp():
    """What one step hands to the collectives of FSDP."""
    model, sent = make_model(blocks=2), Counter()
    shard(model, BLOCKS, 2)
    for name in ('all_gather_into_tensor', 'reduce_scatter_tensor'):
        count(dist, name, sent)
    gradients(model)
    return dict(sent)


@ending_connection()
def main(out):
    dist.init_process_group('gloo')
    each = [None, None]
    dist.all_gather_object(each, gradients(make_model()))
    views = MMDistributedDataParallel(make_model(), gradient_as_bucket_view=True, bucket_cap_mb=1)
    found = dict(each=each, exact=gradients(MMDistributedDataParallel(make_model())), views=gradients(views),
                 compressed=gradients(compressed(MMDistributedDataParallel(make_model()))),
                 refusal=refusal(nn.Linear(2, 2)), ddp=bytes_of_data_parallelism(False),
                 ddp_half=bytes_of_data_parallelism(True))
    if digit_version(torch.__version__) >= digit_version('2.9.0'):
        found['sharded'] = bytes_of_fsdp()
    if dist.get_rank() == 0:
        torch.save(found, out)


if __name__ == '__main__':
    main(sys.argv[1])
