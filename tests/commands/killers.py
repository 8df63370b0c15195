"""Hooks that end the training process with SIGKILL at a chosen moment."""

import os
import signal

from mmengine.fileio import LocalBackend
from mmengine.hooks import Hook

from mmsimmim.engine.hooks import checkpoint
from mmsimmim.registry import HOOKS


def die():
    os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class KillAfterIteration(Hook):
    """Die after a number of iterations."""

    def __init__(self, iteration):
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration:
            die()


@HOOKS.register_module()
class KillDuringSave(Hook):
    """Die when half of the checkpoint of an epoch is on the disk."""

    def __init__(self, epoch):
        self.epoch = epoch

    def before_save_checkpoint(self, runner, checkpoint):
        if checkpoint['meta']['epoch'] == self.epoch:
            LocalBackend.put = self.write_half
            self.cut_atomic_writes()

    @staticmethod
    def write_half(backend, obj, filepath):
        with open(filepath, 'wb') as file:
            file.write(obj[:len(obj) // 2])
        die()

    @staticmethod
    def cut_atomic_writes():
        """Where the real code comes to force a complete temporary file to the disk, cut it and die."""

        def cut(descriptor):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            die()

        checkpoint.os.fsync = cut
