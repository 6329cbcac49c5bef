"""Entropic transport: a family of solvers over the geometry seam, and the choice among them."""
