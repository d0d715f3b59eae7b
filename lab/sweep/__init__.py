"""Train many runs: in turn, side by side, in several processes or on a Dask cluster."""
