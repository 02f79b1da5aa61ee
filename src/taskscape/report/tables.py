"""Metrics for the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from taskscape.report.glossary import arrow, cost_text, cost_title, is_per_class, meaning
from taskscape.run_folder.result import Result


def metrics_table(result: Result) -> Table:
    """Return metrics and cost as a table; IoU per class is left to the report."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{result.images} images, {result.split}", title_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("")
    table.add_column("name", style="dim")
    task = ""
    for name, value in result.metrics.items():
        if is_per_class(name):
            continue
        if name.split("/")[0] != task:
            if task:
                table.add_section()
            task = name.split("/")[0]
        known = meaning(name)
        table.add_row(known.title, known.show(value), f"{known.unit:2}{arrow(name)}", name)
    if result.cost:
        table.add_section()
    for name, value in result.cost.items():
        table.add_row(cost_title(name), cost_text(name, value), "", name)
    return table


def print_metrics(result: Result, console: Console | None = None) -> None:
    """Print metrics and cost; arrows say whether higher or lower is better."""
    (console or Console()).print(metrics_table(result))
