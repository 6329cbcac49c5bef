"""How good a model is: its samples beside held-out data, its codes beside the prior, and pictures of both."""
