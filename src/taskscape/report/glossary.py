"""What the names of metrics and costs mean, for people who meet them for the first time."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from taskscape.run_folder.result import higher_is_better


@dataclass(frozen=True)
class Meaning:
    """How a metric is shown and read."""

    title: str
    unit: str = ""
    text: str = ""
    digits: int = 2

    def show(self, value: float) -> str:
        """Return the number as text, without its unit."""
        return f"{value:.{self.digits}f}"


MEANINGS = {
    "semseg/miou": Meaning(
        "mIoU", "%", "Overlap of predicted and true area over their union, per class, then the mean."
    ),
    "semseg/pixel_accuracy": Meaning("Pixel accuracy", "%", "Share of pixels given the right class."),
    "semseg/miou_per_image": Meaning(
        "mIoU per image", "%", "mIoU of every image by itself, then the mean over images."
    ),
    "depth/abs": Meaning("Absolute error", "m", "Mean distance between predicted and true depth.", 3),
    "depth/rel": Meaning("Relative error", "", "Mean error as a fraction of the true depth.", 4),
    "depth/rmse": Meaning("RMSE", "m", "Root of the mean squared error: far misses weigh most.", 3),
    "depth/rmse_log": Meaning("RMSE of logarithms", "", "Error in ratios, alike for near and far.", 4),
    "depth/si_log_rmse": Meaning(
        "SI-logRMSE × 100", "", "Error in ratios once the scale of each image is put right; mean over images."
    ),
    "depth/delta1": Meaning("δ < 1.25", "%", "Share of pixels off by a factor below 1.25."),
    "depth/delta2": Meaning("δ < 1.25²", "%", "Share of pixels off by a factor below 1.56."),
    "depth/delta3": Meaning("δ < 1.25³", "%", "Share of pixels off by a factor below 1.95."),
    "depth/inverse_abs": Meaning("Absolute error of inverse depth", "", "In the unit of the data, as by MTAN.", 4),
    "depth/inverse_rel": Meaning("Relative error of inverse depth", "", "As a fraction, as MTAN reports it.", 4),
    "depth/scaled_rel": Meaning(
        "Relative error, median-scaled", "", "With each image's median put right first: for depth of unknown scale.", 4
    ),
    "depth/scaled_delta1": Meaning("δ < 1.25, median-scaled", "%", "With each image's median put right first."),
    "depth/scaled_delta2": Meaning("δ < 1.25², median-scaled", "%", "With each image's median put right first."),
    "depth/scaled_delta3": Meaning("δ < 1.25³, median-scaled", "%", "With each image's median put right first."),
    "normals/mean": Meaning("Mean angle", "°", "Mean angle between predicted and true direction."),
    "normals/median": Meaning("Median angle", "°", "Half of the pixels are off by less than this."),
    "normals/11.25": Meaning("Within 11.25°", "%", "Share of pixels off by less than 11.25°."),
    "normals/22.5": Meaning("Within 22.5°", "%", "Share of pixels off by less than 22.5°."),
    "normals/30": Meaning("Within 30°", "%", "Share of pixels off by less than 30°."),
    "grader": Meaning("Grader", "", "max(mIoU - 50, 0) + max(50 - SI-logRMSE × 100, 0): both tasks in one number."),
}

_HEADLINES = ("semseg/miou", "depth/rel", "normals/mean")

_GAIN = (
    "semseg/miou", "semseg/pixel_accuracy", "depth/abs", "depth/rel",
    "normals/mean", "normals/median", "normals/11.25", "normals/22.5", "normals/30",
)  # fmt: skip

_WITHOUT_SCALE = {"depth/rel": "depth/scaled_rel", "depth/abs": "depth/si_log_rmse"}
"""What takes a metric's place for depth of unknown scale."""

COSTS = {
    "parameters": "Parameters",
    "flops": "FLOPs per image",
    "seconds_per_image": "Time per image",
    "seconds": "Training time",
}


def headlines(metrics: Container[str]) -> list[str]:
    """Return the one metric, of those there are, that stands for each task."""
    return _found(_HEADLINES, metrics)


def gained(metrics: Container[str]) -> list[str]:
    """Return the metrics, of those there are, that the gain over single-task runs is the mean of."""
    return _found(_GAIN, metrics)


def _found(wanted: Iterable[str], metrics: Container[str]) -> list[str]:
    chosen = (metric if metric in metrics else _WITHOUT_SCALE.get(metric, metric) for metric in wanted)
    return [metric for metric in chosen if metric in metrics]


def meaning(metric: str) -> Meaning:
    """Return what a metric means; one that is not known is shown under its own name."""
    if "/iou/" in metric:
        return Meaning(f"IoU {metric.split('/iou/', 1)[1]}", "%", "Overlap of predicted and true area.")
    return MEANINGS.get(metric, Meaning(metric, digits=4))


def arrow(metric: str) -> str:
    """Return ↑ where higher is better, ↓ where lower is."""
    return "↑" if higher_is_better(metric) else "↓"


def reading(metric: str) -> str:
    """Return unit and direction as one line: ``% · ↑ higher is better``."""
    direction = f"{arrow(metric)} {'higher' if higher_is_better(metric) else 'lower'} is better"
    return " · ".join(part for part in (meaning(metric).unit, direction) if part)


def signed(value: float, digits: int) -> str:
    """Return a change with its sign, a minus as wide as a plus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def is_per_class(metric: str) -> bool:
    """Return whether a metric is one of a list with an entry per class."""
    return "/iou/" in metric


def cost_title(name: str) -> str:
    """Return what a cost is called."""
    return COSTS.get(name, name.replace("_", " "))


def cost_text(name: str, value: float) -> str:
    """Return a cost with its unit: ``20.5 M``, ``6.00 G``, ``23.3 ms``, ``31 min``."""
    if "seconds" not in name:
        return _scaled(value, (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)))
    if value >= 60:
        minutes = round(value / 60)
        return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
    return _scaled(value, (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)))


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    unit, size = max((u for u in units if value >= u[1]), key=lambda u: u[1], default=units[0])
    number = f"{value / size:#.3g}" if value / size < 999.5 else f"{value / size:.0f}"
    return f"{number.rstrip('.')} {unit}".rstrip()
