"""What is looked at before anything is built: data, checkpoints, and how the parts of a model fit together."""
