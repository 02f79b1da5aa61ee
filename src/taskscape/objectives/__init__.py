"""From outputs and targets to one loss per task."""
