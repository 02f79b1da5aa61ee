"""Networks with adaptive depth bins."""
