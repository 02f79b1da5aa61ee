"""Readable names for tasks, settings and columns."""

from collections.abc import Mapping

from taskscape.modalities import MODALITIES, Modality

MISSING = "–"
"""Placeholder for a value or a setting that does not exist."""

_WORDS = {
    **{modality.name: modality.title for modality in MODALITIES if modality.title},
    "lr": "learning rate",
    "std": "standard deviation",
    "val": "validation",
    "memory/process": "Peak memory of the process, MiB",
    "memory/gpu": "Peak GPU memory, MiB",
    "energy/gpu": "GPU energy per epoch, J",
}


def task_word(name: str, tasks: Mapping[str, Modality]) -> str:
    """Return what a task is called in a sentence: the word for its modality, or the user's own name for it."""
    return tasks[name].display_name(name) if name in tasks else name


def task_words(tasks: Mapping[str, Modality]) -> str:
    """Return the words for all tasks: ``segmentation, depth``."""
    return ", ".join(task_word(name, tasks) for name in tasks)


def heading(words: str) -> str:
    """Return the words with their first letter capitalized."""
    return words[:1].upper() + words[1:]


def setting_words(name: str) -> str:
    """Return a setting's dotted name in words: ``optimizer.lr`` is ``optimizer: learning rate``."""
    parts = name.removeprefix("tasks.").split(".")
    if len(parts) > 1 and (parts[-1] == "type" or parts[-2:] == ["classes", "name"]):
        parts.pop()
    words = [column_words(part) for part in parts]
    return ": ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def column_words(column: str) -> str:
    """Return a title for a column of ``metrics.csv`` other than metrics, losses and weights."""
    return _WORDS.get(column, column.replace("_", " "))
