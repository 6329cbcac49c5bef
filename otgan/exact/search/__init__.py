"""The search for arcs of least reduced cost, and the proof that none is missing: by trees of boxes, or by tiles."""
