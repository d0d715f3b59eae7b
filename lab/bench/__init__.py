"""Speed of the trainer, compared with the usual loops and with the machine's limits: `make bench`."""
