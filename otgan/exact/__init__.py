"""Exact transport: sorting on the line, assignment, the network simplex, and few arcs with a proof that they suffice."""
