"""Many runs: one after another, side by side, in several processes or on a Dask cluster."""
