"""Finding the checkpoint that a run goes on from, and whether it is of the same model and whole."""
