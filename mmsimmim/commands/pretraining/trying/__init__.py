"""A trial of a few steps, in a process of its own: how many images a device takes, and how fast it is."""

from .trial import Trial, try_config

__all__ = ['Trial', 'try_config']
