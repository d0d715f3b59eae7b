"""The nets, and the kernels that a CPU trains the Caffe net with."""
