"""One run trained by several processes: the process group and each rank's share of a batch."""
