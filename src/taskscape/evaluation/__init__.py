"""Metrics of a network over a split, and the image-blind baselines."""
