"""One training: the loop, the solvers, the snapshots, the device."""
