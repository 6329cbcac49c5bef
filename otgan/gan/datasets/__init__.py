"""The data that a run trains on: from what a user holds to mini-batches in the units of the networks."""
