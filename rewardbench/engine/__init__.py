"""Score requests: plan batches, run them once on one or several workers, cache the scores, and collect them by item."""
