"""Metrics for the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from taskscape.report.glossary import arrow, by_task, cost_conditions, cost_text, cost_title, shown
from taskscape.run_folder.result import Result


def metrics_table(result: Result) -> Table:
    """Return metrics and cost as a table; metrics per class are left to the report."""
    title = f"{result.images} images, {result.split}"
    if result.progress is not None and not result.progress.finished:
        title += f"; unfinished: {result.progress.epochs} of {result.progress.planned} epochs were trained"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    blind = result.baselines.get("by position", {})
    table.add_column("metric")
    table.add_column("value", justify="right", no_wrap=True)
    if blind:
        table.add_column("blind", justify="right", style="dim")
    table.add_column("")
    table.add_column("name", style="dim")
    for names in by_task(shown(result.metrics, result.specs)).values():
        for name in names:
            spec = result.specs[name]
            yardstick = [spec.show(blind[name]) if name in blind else ""] if blind else []
            table.add_row(spec.title, spec.show(result.metrics[name]), *yardstick, f"{spec.unit:2}{arrow(spec)}", name)
        table.add_section()
    for name, value in result.cost.items():
        table.add_row(cost_title(name), cost_text(name, value), *[""] * bool(blind), "", name)
    if conditions := cost_conditions("seconds_per_image", result.environment):
        table.caption = f"times: {conditions}" + ("; blind: predicts without the image" * bool(blind))
    elif blind:
        table.caption = "blind: predicts without the image"
    return table


def print_metrics(result: Result, console: Console | None = None) -> None:
    """Print metrics and cost; arrows say whether higher or lower is better."""
    (console or Console(markup=False)).print(metrics_table(result))
