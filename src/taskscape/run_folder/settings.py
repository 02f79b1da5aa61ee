"""Settings of experiments by their meaning for a run."""

WITHOUT_EFFECT = (
    "checkpoint_minutes",
    "keep_checkpoint",
    "train_metrics",
    "trackers",
    "note",
    "average_last",
    "tta",
)
"""Settings that do not change what a network learns."""
