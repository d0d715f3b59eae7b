"""The bench that the notebooks stand on, in rooms; each imports clrlib and the rooms before it. Not in the wheel."""
