"""Groups of runs, with the data that all sections of their comparison share."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from taskscape.metrics.delta_m import LISTS
from taskscape.metrics.spec import MetricSpec
from taskscape.report.columns import Show, best_group, of_runs
from taskscape.report.comparison.differ import Difference, differ
from taskscape.report.glossary import shown
from taskscape.report.groups import Group, first_of_each, group
from taskscape.report.run import Run
from taskscape.report.times import Times
from taskscape.serialization import counted, nearest


class Comparison:
    """Groups of runs to compare; runs that differ only in their seed form one group."""

    def __init__(self, runs: Sequence[Run], delta_m_metrics: Sequence[str] = ()) -> None:
        self.groups, self.delta_m_metrics = group(runs), delta_m_metrics
        self.times: Times | None = None
        """Times of the networks, if they are measured."""
        self.specs: Mapping[str, MetricSpec] = first_of_each(g.specs for g in self.groups)
        self.tasks = {name: modality for g in self.groups for name, modality in g.tasks.items()}
        self.difference: Difference = differ(self.groups)
        if unknown := [name for name in delta_m_metrics if name not in self.specs]:
            raise ValueError(
                f"delta_m: {unknown[0]!r} is neither a list ({', '.join(LISTS)}) nor a metric of these runs"
                f"{nearest(unknown[0], self.specs)}"
            )
        self.specs = {
            name: replace(spec, optional=spec.optional and name not in delta_m_metrics)
            for name, spec in self.specs.items()
        }
        self.metrics = shown({name for g in self.groups for name in g.means}, self.specs)

    @property
    def subject(self) -> str:
        """A sentence on what is compared: the number of runs, the split, and which epochs."""
        runs = [run for g in self.groups for run in g.runs]
        experiments = counted(len(self.groups), "experiment", "experiments")
        spread = ": mean ± standard deviation over seeds" if any(len(g.by_seed) > 1 for g in self.groups) else ""
        repeated = f" of {experiments}{spread}" if len(runs) > len(self.groups) else ""
        result = runs[0].result
        words = dict.fromkeys(run.last_words for run in runs if run.last)
        epochs = f"; means of the {' or the '.join(words)}" if words else ""
        return f"{counted(len(runs), 'run', 'runs')}{repeated}, on the split {result.split}{result.tta_words}{epochs}."

    def best(self, name: str, show: Show) -> set[int]:
        """Return the group that is the best in a metric (``best_group``).

        There is none if the groups are not comparable, or if only some runs of a group have the metric: the others may
        lack it because they are worse.
        """
        values = [g.values(name) for g in self.groups]
        if not self.difference.comparable or any(
            of_runs(v, len(g.by_seed)) for v, g in zip(values, self.groups, strict=True)
        ):
            return set()
        return best_group(values, self.specs[name].higher_is_better, show)

    def blind(self, name: str) -> str:
        """Return the image-blind baselines' values of a metric as text; empty if they are unknown."""
        values = (run.result.blind.get(name) for g in self.groups for run in g.runs)
        return " / ".join(dict.fromkeys(self.specs[name].show(value) for value in values if value is not None))

    def seconds(self, g: Group, name: str) -> list[float]:
        """Return a time for each run of a group for which it was measured."""
        measured = {} if self.times is None else getattr(self.times, name)
        paths = [str(run.folder.path.resolve()) for run in g.runs]
        return [measured[path] for path in paths if path in measured]
