"""The method: recipe, segments, loss, training loop, checkpoints."""
