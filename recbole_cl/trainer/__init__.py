"""Training loop, checkpoints and what happens between epochs."""
