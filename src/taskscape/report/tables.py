"""Metrics for the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from taskscape.report.glossary import arrow, by_task, cost_text, cost_title
from taskscape.run_folder.result import Result


def metrics_table(result: Result) -> Table:
    """Return metrics and cost as a table; metrics per class are left to the report."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{result.images} images, {result.split}", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("")
    table.add_column("name", style="dim")
    for names in by_task(name for name in result.metrics if not result.specs[name].per_class).values():
        for name in names:
            spec = result.specs[name]
            table.add_row(spec.title, spec.show(result.metrics[name]), f"{spec.unit:2}{arrow(spec)}", name)
        table.add_section()
    for name, value in result.cost.items():
        table.add_row(cost_title(name), cost_text(name, value), "", name)
    return table


def print_metrics(result: Result, console: Console | None = None) -> None:
    """Print metrics and cost; arrows say whether higher or lower is better."""
    (console or Console(markup=False)).print(metrics_table(result))
