"""Entropic transport: one solver over the geometry seam."""
