"""The network simplex for transport, compiled: a spanning tree, its pivots, and the search for arcs that lower the cost."""
