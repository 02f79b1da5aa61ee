"""The overview: leading metrics, costs and settings of the run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from taskscape.report.glossary import arrow, leading, shown
from taskscape.report.html import Tile, facts, folded, settings_table, tiles, warning
from taskscape.report.run import Run
from taskscape.report.sections.cost import cost_tiles
from taskscape.report.words import heading, task_words
from taskscape.report.yardsticks import Yardstick
from taskscape.run_folder import Result
from taskscape.serialization.flat import flatten, setting_text

NAMED_SETTINGS = {
    "network": "Network",
    "data": "Data",
    "weighting": "Task balancing",
    "optimizer": "Optimizer",
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "seed": "Seed",
}


def progress_warning(run: Run) -> str:
    """Return a warning if the run was trained further since its evaluation, or is unfinished; else nothing."""
    if run.outdated:
        return warning(run.outdated)
    if run.unfinished:
        return warning(f"This run is unfinished: {run.unfinished} were trained. Its metrics are preliminary.")
    return ""


def headlines(result: Result, references: Sequence[Yardstick]) -> str:
    """Return tiles with the leading metrics, or the first three, beside their yardsticks, and with two costs."""
    return tiles([*_metric_tiles(result, references), *cost_tiles(result, ("parameters", "latency"))])


def settings(run: Run) -> str:
    """Return the main settings, and a collapsed table of all."""
    values = {key: headline(run.settings[key]) for key in NAMED_SETTINGS if key in run.settings}
    progress, epochs = run.result.progress, run.settings.get("epochs")
    if progress is not None and progress.finished and isinstance(epochs, int) and progress.epochs < epochs:
        values["epochs"] = f"{progress.epochs}, of at most {values['epochs']}"  # time limit or early stopping
    items = [(NAMED_SETTINGS[key], value) for key, value in values.items()]
    if "tasks" in run.settings:
        items.insert(1, ("Tasks", task_words(run.result.tasks)))
    items += [(heading(key), str(text)) for key in ("note", "continued") if (text := run.settings.get(key))]
    if run.result.classes:
        items.append(("Map of classes", run.result.classes))
    if run.best_epoch is not None:
        items.append(("Weights from epoch", f"{run.best_epoch}, the best on the validation split"))
    return facts(items) + folded("All settings, by flag name", settings_table(flatten(run.settings)))


def headline(setting: Any) -> str:
    """Return a short text for a setting: its value, or its type with the encoder or store that it names."""
    if not isinstance(setting, dict):
        return setting_text(setting)
    if "type" not in setting:
        return next((setting_text(value) for value in setting.values() if not isinstance(value, dict | list)), "")
    path = setting.get("path")
    words = [setting["type"], setting.get("encoder"), Path(path).name if isinstance(path, str) else None]
    return ", ".join(word for word in words if isinstance(word, str))


def _metric_tiles(result: Result, references: Sequence[Yardstick]) -> list[Tile]:
    metrics = shown(result.metrics, result.specs)
    items = []
    for name in leading(metrics, result.specs) or metrics[:3]:
        spec = result.specs[name]
        notes = [f"{spec.show(y.metrics[name])} {y.title}" for y in references if name in y.metrics]
        title = f"{spec.title} {arrow(spec)}"
        items.append((title, spec.show(result.metrics[name]), spec.unit, "; ".join(notes[:2])))
    return items
