"""What a metric is, declared beside its computation. No torch here: reports read these."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class MetricSpec:
    """How a metric is shown, read, and used for choosing.

    >>> spec = MetricSpec("mIoU", "%", digits=1, higher_is_better=True)
    >>> f"{spec.show(55.12)} {spec.unit}"
    '55.1 %'
    """

    title: str
    """For people, such as ``mIoU``."""
    unit: str = ""
    """``%``, ``m``, ``°`` or nothing."""
    text: str = ""
    """One sentence that says what it measures."""
    digits: int = 2
    """Decimals shown."""
    higher_is_better: bool = False
    leads: bool = False
    """Whether it stands for its task: in headlines, and as the default monitor that chooses the best epoch."""
    in_delta_m: bool = False
    """Whether Δm, the mean relative change against single-task runs, counts it."""
    per_class: bool = False
    """Whether it is one of a list with an entry per class, which tables leave out."""
    optional: bool = False
    """Whether pages and tables leave it out: a metric of one paper's protocol. ``result.json`` has it all the same. A
    run that asks for it, by its monitor, its tasks or its data, shows it."""

    def show(self, value: float) -> str:
        """Return the number as text, without its unit."""
        return f"{value:.{self.digits}f}"


def per_batch(spec: MetricSpec) -> MetricSpec:
    """Return the spec of the mean over batches of each batch's metric."""
    return replace(
        spec,
        title=f"{spec.title}, mean over batches",
        text=f"{spec.text} Of each batch, then the mean over batches, as in MTAN's code.",
        leads=False,
        in_delta_m=False,
    )
