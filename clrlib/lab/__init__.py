"""The bench that the notebooks stand on: data, models, training, records, figures. Needs `pip install clrlib[lab]`."""
