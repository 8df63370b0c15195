"""Hooks that end the training process with SIGKILL at a chosen moment."""

import os
import signal
import time

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


@HOOKS.register_module()
class SignalAfterIteration(Hook):
    """Send a signal to this process after a number of iterations, or in the validation after them.

    In a run of several processes the last one alone gets it.
    """

    def __init__(self, iteration, number=signal.SIGTERM, validating=False, launcher=False):
        self.iteration = iteration
        self.number = number
        self.validating = validating
        self.launcher = launcher

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.iteration and not self.validating and runner.rank + 1 == runner.world_size:
            os.kill(os.getppid() if self.launcher else os.getpid(), self.number)
            time.sleep(self.launcher)  # which passes it on meanwhile

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration and self.validating:
            os.kill(os.getpid(), self.number)
