"""Description of a metric, declared next to its computation. Does not import torch, as reports read the specs."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class MetricSpec:
    """How a metric is displayed, interpreted, and used for model selection.

    >>> spec = MetricSpec("mIoU", "%", digits=1, higher_is_better=True)
    >>> f"{spec.show(55.12)} {spec.unit}"
    '55.1 %'
    """

    title: str
    """Display name, such as ``mIoU``."""
    unit: str = ""
    """``%``, ``m``, ``°`` or empty."""
    text: str = ""
    """One sentence that says what the metric measures."""
    digits: int = 2
    """Number of decimals shown."""
    higher_is_better: bool = False
    leads: bool = False
    """Whether it is the leading metric of its task: shown in headlines, and the default monitor."""
    in_delta_m: bool = False
    """Whether it is part of Δm, the mean relative change against single-task runs."""
    per_class: bool = False
    """Whether there is one such metric per class; tables leave these out."""
    optional: bool = False
    """Whether pages and tables leave it out, as a metric of one paper's protocol. ``result.json`` always has it. Runs
    whose monitor, tasks or data call for it show it."""

    def show(self, value: float) -> str:
        """Format a value, without its unit."""
        return f"{value:.{self.digits}f}"


def per_batch(spec: MetricSpec) -> MetricSpec:
    """Return the spec of a metric computed per batch and averaged over batches."""
    return replace(
        spec,
        title=f"{spec.title}, mean over batches",
        text=f"{spec.text} Computed per batch, then averaged over batches, as in MTAN's code.",
        leads=False,
        in_delta_m=False,
    )
