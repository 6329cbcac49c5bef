"""Exact transport: sorting on the line, assignment, and the network simplex."""
