"""Figures, tables, sliders and reports, from records."""
