"""Image sets as tensors: sources, readers, and the order of the images in training."""
