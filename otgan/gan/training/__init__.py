"""Training: the loop, the state it changes, and what it leaves on the disk."""
