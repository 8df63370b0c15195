"""Measuring a model: its memory, operations and the bytes that its training sends."""
