"""Workers that score batches: this process, a pool of processes, or the ranks of torchrun."""
