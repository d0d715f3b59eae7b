"""How fast the trainer is, against what people would otherwise use and against the machine's limits: `make bench`."""
