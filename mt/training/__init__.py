"""Training: the loop, optimizers, checkpoints, validation and distributed processes."""
