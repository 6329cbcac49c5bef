"""One transport problem over the processes of a group of torch.distributed, called ranks, each with rows of its own."""
