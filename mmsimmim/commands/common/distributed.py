"""Several processes: their number, and their communication without a GPU."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.distributed
import torch.distributed.nn.functional  # Its default arguments keep a connection alive that is older than they are.
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log

from ...errors import UserError
from ...interruption import Interrupted

# The environment variable in which each launcher sets the number of processes.
WORLD_SIZE_VARIABLES = dict(pytorch='WORLD_SIZE', slurm='SLURM_NTASKS', mpi='OMPI_COMM_WORLD_SIZE')


def get_world_size(launcher: str) -> int:
    """The number of processes of this run, before they are connected.

    Args:
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'.

    Returns:
        int: Number of processes.

    Raises:
        UserError: The launcher's environment variable is not set: it did not start this process.
    """
    if launcher == 'none':
        return 1
    name = WORLD_SIZE_VARIABLES[launcher]
    if name not in os.environ:
        how = dict(pytorch='tools/dist_train.sh CONFIG GPUS, without a checkout with '
                           'python -m torch.distributed.run --nproc_per_node=GPUS -m mmsimmim train CONFIG',
                   slurm='tools/slurm_train.sh', mpi='mpirun')[launcher]
        raise UserError(f'--launcher {launcher} needs the environment variable {name}, which {launcher} sets. '
                        f'Start with {how}, or leave --launcher out for a single process.')
    return int(os.environ[name])


def connect_on_cpu(cfg: Config) -> None:
    """Connect the processes through gloo where there is no accelerator; otherwise leave it to MMEngine.

    MMEngine's own start assumes CUDA devices in two places: when it connects the processes, and when it wraps the
    model. PyTorch's SyncBN works on GPUs alone: each process then normalises by its own images, which does not affect
    evaluation.

    Args:
        cfg (Config): With ``launcher``. Backend, model wrapper and norms are changed in place.

    Raises:
        UserError: A launcher other than PyTorch's, which MMEngine cannot connect without a GPU.
    """
    if cfg.launcher == 'none' or get_device() != 'cpu':
        return
    if cfg.launcher != 'pytorch':
        raise UserError(f'--launcher {cfg.launcher} needs GPUs, and none is visible. On CPUs start with '
                        'tools/dist_train.sh.')
    cfg.merge_from_dict({'env_cfg.dist_cfg.backend': 'gloo'})
    wrapper = dict(type='MMDistributedDataParallel', broadcast_buffers=False)
    cfg.model_wrapper_cfg = {**wrapper, **(cfg.get('model_wrapper_cfg') or {}), 'device_ids': None}
    carry_unused_parameters(cfg)
    if _replace_sync_norms(cfg.get('model')):
        print_log('No GPU: SyncBN becomes BN, the statistics of each process are its own.', logger='current', level=30)
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')


@contextmanager
def ending_connection() -> Iterator[None]:
    """End the connection of the processes that a function made, if it goes well or all end together.

    A thread of gloo that lets go of its last tensor while the interpreter ends aborts the process, and the launcher
    calls the run failed (PyTorch's issue 190489). The threads end with the last reference to the connection, which
    models in reference cycles hold until they are collected. Caches of DTensor hold it for good: under FSDP the
    collection is only the time that the thread needs.
    """
    before = torch.distributed.is_initialized()
    try:
        yield
    except Interrupted as end:
        if end.together:
            _end_connection(before)
        raise
    _end_connection(before)


def _end_connection(before: bool) -> None:
    if torch.distributed.is_initialized() and not before:
        torch.distributed.destroy_process_group()
        gc.collect()


def carry_unused_parameters(cfg: Config) -> None:
    """Put a config's own ``find_unused_parameters`` into its ``model_wrapper_cfg``, beside which MMEngine ignores it.

    Args:
        cfg (Config): Changed in place, if it has both and the wrapper is a ``DistributedDataParallel``.

    Raises:
        UserError: They contradict each other.
    """
    wrapper, wanted = cfg.get('model_wrapper_cfg'), cfg.get('find_unused_parameters')
    if not wrapper or wanted is None or not _is_data_parallel(wrapper):
        return
    if wrapper.setdefault('find_unused_parameters', wanted) != wanted:
        raise UserError(f'find_unused_parameters={wanted} in the config contradicts model_wrapper_cfg, where it is '
                        f'{wrapper.find_unused_parameters}. Leave one of them out.')


def wraps_in_ddp(cfg: Config) -> bool:
    """Whether a run has ``DistributedDataParallel`` wait for the gradient of every parameter.

    Args:
        cfg (Config): With ``launcher``.
    """
    if cfg.get('launcher', 'none') == 'none' or 'runner_type' in cfg:
        return False
    wrapper = cfg.get('model_wrapper_cfg') or {}
    waits = not (wrapper.get('static_graph') or wrapper.get('find_unused_parameters') or
                 cfg.get('find_unused_parameters'))
    return waits and _is_data_parallel(wrapper)


def _is_data_parallel(wrapper: dict) -> bool:
    kind = wrapper.get('type', 'MMDistributedDataParallel')
    return getattr(kind, '__name__', str(kind)).endswith('DistributedDataParallel')


def _replace_sync_norms(node: Any) -> int:
    """Turn all ``type='SyncBN'`` of a config into BN; how many there were."""
    if isinstance(node, dict):
        number = sum(map(_replace_sync_norms, node.values()))
        if str(node.get('type')).rsplit('.', 1)[-1] == 'SyncBN':
            node['type'] = 'BN'
            number += 1
        return number
    return sum(map(_replace_sync_norms, node)) if isinstance(node, (list, tuple)) else 0
