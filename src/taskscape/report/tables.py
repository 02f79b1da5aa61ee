"""Tables of metrics for the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from taskscape.report.glossary import arrow, by_task, cost_conditions, cost_text, cost_title, shown
from taskscape.run_folder.result import Result
from taskscape.serialization import counted

_UNLIMITED = 10_000
"""Columns of a terminal in which any table fits."""


def metrics_table(result: Result, plain: Result | None = None) -> Table:
    """Return a table of metrics and cost; metrics per class are shown only in the report.

    ``plain`` is the result without test-time augmentation, shown in a separate column. A run that reports the mean of
    its last epochs has a column for that too.
    """
    title = f"{counted(result.images, 'image', 'images')}, {result.split}"
    if result.progress is not None and not result.progress.finished:
        title += f"; unfinished: {result.progress.epochs} of {result.progress.planned} epochs were trained"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right", no_wrap=True)
    references = {} if plain is None else {"without tta": plain.metrics}
    if result.last_epochs is not None:
        references[f"mean of last {result.last_epochs.epochs}"] = result.last_epochs.metrics
    for title in references:
        table.add_column(title, justify="right", no_wrap=True)
    if result.blind:
        references["blind"] = result.blind
        table.add_column("blind", justify="right", style="dim", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("name", style="dim", no_wrap=True)
    for names in by_task(shown(result.metrics, result.specs)).values():
        for name in names:
            spec = result.specs[name]
            reference_values = [spec.show(metrics[name]) if name in metrics else "" for metrics in references.values()]
            table.add_row(
                spec.title, spec.show(result.metrics[name]), *reference_values, f"{spec.unit:2}{arrow(spec)}", name
            )
        table.add_section()
    for name, value in result.cost.items():
        reference_costs = [""] * len(references)
        if plain is not None and name in plain.cost:
            reference_costs[0] = cost_text(name, plain.cost[name])
        table.add_row(cost_title(name), cost_text(name, value), *reference_costs, "", name)
    captions = {
        "times": cost_conditions("seconds_per_image", result.environment),
        "training time": cost_conditions("seconds", result.environment),
        "blind": "predicts without the image" if result.blind else "",
    }
    table.caption = "; ".join(f"{subject}: {text}" for subject, text in captions.items() if text) or None
    return table


def print_metrics(result: Result, console: Console | None = None, *, plain: Result | None = None) -> None:
    """Print metrics and cost; arrows show whether higher or lower is better. ``plain`` is as in ``metrics_table``.

    A terminal that is too narrow for the titles shows no names.
    """
    console = console or Console(markup=False)
    table = metrics_table(result, plain)
    titles = [str(cell) for cell in table.columns[0].cells]
    wrapped = max(map(len, titles)) - max(len(word) for title in titles for word in title.split())
    if console.measure(table, options=console.options.update(width=_UNLIMITED)).maximum - wrapped > console.width:
        table.columns.pop()
    console.print(table)
