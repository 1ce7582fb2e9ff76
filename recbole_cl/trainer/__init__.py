"""Training loop, checkpoints and the work between epochs."""
