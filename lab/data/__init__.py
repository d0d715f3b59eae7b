"""Image sets as tensors: where they come from, how they are read, in which order they are trained on."""
