"""One number for segmentation and depth together."""

from collections.abc import Mapping


def grader(metrics: Mapping[str, float]) -> float | None:
    """Return max(IoU - 50, 0) + max(50 - SI, 0), 0 … 100, higher is better; ``None`` when either is missing.

    IoU is ``semseg/miou`` in percent, SI is ``depth/si_log_rmse``. The grade of the Miniscapes networks.
    """
    if "semseg/miou" not in metrics or "depth/si_log_rmse" not in metrics:
        return None
    return max(metrics["semseg/miou"] - 50, 0.0) + max(50 - metrics["depth/si_log_rmse"], 0.0)
