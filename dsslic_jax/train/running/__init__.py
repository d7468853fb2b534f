"""A run on disk and on screen: batches, checkpoints, reports, samples, traces."""
