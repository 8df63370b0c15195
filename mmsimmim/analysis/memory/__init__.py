"""How much memory a training step takes, also without a GPU."""
