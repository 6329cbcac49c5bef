"""One training by the processes of a group of torch.distributed, equal to that of one process with the same batches."""
