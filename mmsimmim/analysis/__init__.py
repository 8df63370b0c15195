"""Measuring a model: memory, FLOPs, and communication of its training."""
