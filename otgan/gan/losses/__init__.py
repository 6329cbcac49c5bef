"""What systems descend besides the public distances: regularized transport by its potentials, and a discrepancy of codes."""
