"""What must be equal for a fair comparison of runs: data, training, evaluation."""

from collections.abc import Mapping

from taskscape.report.run import Run
from taskscape.run_folder.settings import WITHOUT_EFFECT
from taskscape.serialization import show_size
from taskscape.serialization.flat import flatten

_MAY_DIFFER = ("network", "tasks", "weighting", "objective", "seed", "monitor", "device", "compile", *WITHOUT_EFFECT)
"""Settings in which a single-task run and a multi-task run of the same protocol may differ."""

_NETWORK_SETTINGS = tuple(f"network.{name}" for name in ("encoder", "pretrained", "freeze", "lora", "lora_layers"))
"""Network settings that belong to the protocol if both networks have them."""

UNKNOWN = "unknown"


def single_task(run: Run) -> str | None:
    """Return the task of a single-task run, else None."""
    return next(iter(run.result.tasks)) if len(run.result.tasks) == 1 else None


def same_protocol(run: Run, single: Run) -> bool:
    """Return whether a single-task run is a valid baseline for its task in another run.

    Both must be finished, trained and evaluated on the same data, and differ only in network type, further tasks,
    weighting, objective and seed. A user's file that both need must be the same.
    """
    task = single_task(single)
    if task is None or task not in run.result.tasks or run.unfinished or single.unfinished:
        return False
    settings, single_settings = (_protocol(r, task) for r in (run, single))
    common_network_settings = [name for name in _NETWORK_SETTINGS if name in settings and name in single_settings]
    compared = {*(settings.keys() | single_settings.keys()) - set(_NETWORK_SETTINGS), *common_network_settings}
    common_code = run.code.keys() & single.code.keys()
    return all(settings.get(name) == single_settings.get(name) for name in compared) and all(
        run.code[file] == single.code[file] for file in common_code
    )


def similarity(run: Run, single: Run) -> tuple[bool, int]:
    """Return how similar the networks of two runs are: whether their type is the same, and how many settings are."""
    network, other = (flatten(r.settings.get("network") or {}) for r in (run, single))
    return network.get("type") == other.get("type"), len(network.items() & other.items())


def _protocol(run: Run, task: str) -> Mapping[str, str]:
    settings = flatten({name: value for name, value in run.settings.items() if name not in _MAY_DIFFER})
    networks = flatten({"network": run.settings.get("network", {})})
    tasks = run.settings.get("tasks")
    return {
        **settings,
        **{name: networks[name] for name in _NETWORK_SETTINGS if name in networks},
        **flatten({"task": tasks.get(task) if isinstance(tasks, dict) else None}),
        "data of training": run.training_data,
        **evaluated_on(run),
    }


def evaluated_on(run: Run) -> dict[str, str]:
    """Return what a result was measured on: split, images, sizes and data, and for which epochs."""
    result = run.result
    return {
        "splits": result.split + result.tta_words,
        "metrics": f"mean of the {run.last_words}" if run.last else "the best epoch",
        "images": str(result.images),
        "sizes": show_size(result.size),
        "data": result.data or UNKNOWN,
        "maps of classes": result.classes or "by name",
    }
