"""What holds for a run that goes on from a checkpoint: the same model, its own folder, the schedule of its config."""
