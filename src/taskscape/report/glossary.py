"""Short texts for metrics and costs: direction, unit, title."""

from collections.abc import Iterable, Mapping

from taskscape.metrics.spec import MetricSpec

COSTS = {
    "parameters": "Parameters",
    "flops": "FLOPs per image",
    "latency": "Time of one image",
    "seconds_per_image": "Time per image, in batches",
    "seconds": "Training time",
}
"""Titles in display order. ``latency`` is for a single image; ``seconds_per_image`` is the inverse of throughput."""


def leading(metrics: Iterable[str], specs: Mapping[str, MetricSpec]) -> list[str]:
    """Return the metrics that lead their task, in the order of the specs."""
    metrics = set(metrics)
    return [name for name, spec in specs.items() if spec.leads and name in metrics]


def shown(metrics: Iterable[str], specs: Mapping[str, MetricSpec]) -> list[str]:
    """Return the metrics that tables show, in the order of the specs: neither per class nor optional."""
    metrics = set(metrics)
    return [name for name, spec in specs.items() if name in metrics and not (spec.per_class or spec.optional)]


def class_digits(spec: MetricSpec) -> int:
    """Return the number of decimals of a metric per class: 1 for percentages, so that many classes fit."""
    return 1 if spec.unit == "%" else spec.digits


def by_task(metrics: Iterable[str]) -> dict[str, list[str]]:
    """Group metrics named ``task/metric`` by task; a joint metric is a group by itself."""
    groups: dict[str, list[str]] = {}
    for name in metrics:
        groups.setdefault(name.split("/")[0], []).append(name)
    return groups


def arrow(spec: MetricSpec) -> str:
    """Return ↑ if higher is better, ↓ if lower is."""
    return "↑" if spec.higher_is_better else "↓"


def direction(spec: MetricSpec) -> str:
    """Return the arrow as HTML, with a text alternative for screen readers."""
    return f'<span role="img" aria-label="{_better(spec)}" title="{_better(spec)}">{arrow(spec)}</span>'


def _better(spec: MetricSpec) -> str:
    return f"{'higher' if spec.higher_is_better else 'lower'} is better"


def unit_and_direction(spec: MetricSpec) -> str:
    """Return unit and direction: ``% · ↑ higher is better``."""
    text = f"{arrow(spec)} {_better(spec)}"
    return f"{spec.unit} · {text}" if spec.unit else text


def signed(value: float, digits: int) -> str:
    """Return a change with its sign, with a minus as wide as a plus; no sign if it rounds to zero."""
    return f"{value:+.{digits}f}".replace("-", "−") if round(value, digits) else f"{0:.{digits}f}"


def cost_title(name: str) -> str:
    """Return the title of a cost."""
    return COSTS.get(name, name.replace("_", " "))


def cost_conditions(name: str, environment: Mapping[str, str]) -> str:
    """Return the conditions that a time was measured under: ``batches of 16, CPU, 2 threads, bf16``."""
    if name == "seconds" and "runs at once" in environment:
        return f"of {environment['runs at once']} runs at once, together"
    if name not in ("latency", "seconds_per_image"):
        return ""
    batch = f"batches of {environment['batch size']}" if name != "latency" and "batch size" in environment else ""
    return ", ".join(filter(None, (batch, environment.get("device", ""), environment.get("precision", ""))))


def throughput(seconds_per_image: float) -> str:
    """Return the throughput in images per second: ``43.5 images/s``."""
    return f"{1 / seconds_per_image:#.3g}".rstrip(".") + " images/s" if seconds_per_image > 0 else ""


def cost_text(name: str, value: float, like: float | None = None) -> str:
    """Return a cost with its unit: ``20.5 M``, ``6.00 G``, ``23.3 ms``, ``31 min``; ``like`` can choose the unit."""
    like = value if like is None else like
    if "seconds" not in name and name != "latency":
        return _scaled(value, like, (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)))
    if like >= 60:
        minutes = round(value / 60)
        return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
    return _scaled(value, like, (("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)))


def _scaled(value: float, like: float, units: tuple[tuple[str, float], ...]) -> str:
    """Return the value in the largest unit that ``like`` reaches, with three digits; small counts unchanged."""
    unit, size = max((u for u in units if like >= u[1]), key=lambda u: u[1], default=units[0])
    whole = value / size >= 999.5 or (not unit and value == round(value))
    number = f"{value / size:.0f}" if whole else f"{value / size:#.3g}"
    return f"{number.rstrip('.')} {unit}".rstrip()
