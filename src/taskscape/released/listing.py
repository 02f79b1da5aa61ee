"""What there is to say of a model in a line: read from its files as they are, without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskscape.run_folder import RunFolder
from taskscape.serialization.plain import parse_yaml, read_json, read_text

FENCE = "---\n"
"""Before and after the metadata at the head of a model card."""


@dataclass(frozen=True)
class Listing:
    """A model in short."""

    tasks: tuple[str, ...]
    """What it predicts, by the tasks' names."""
    bytes: int
    """Size of its weights."""
    parameters: int
    metrics: dict[str, dict[str, str]]
    """The leading metrics by title and then by split, such as ``{"mIoU": {"val": "61.2 %"}}``."""
    license: str
    """As in the model's card; nothing where it does not say."""
    trained_on: str
    """In a few words; nothing where the card does not say."""
    expects: str
    """What images it is for, in a few words."""


def in_words(metric: str, by_split: Mapping[str, str]) -> str:
    """Return a metric on every split: ``mIoU: val 61.2 %, shifted 45.3 %``."""
    return f"{metric}: {', '.join(f'{split} {value}' for split, value in by_split.items())}"


def listing(folder: Path) -> Listing:
    """Return what the files of a model say. Raises ``ValueError`` or ``FileNotFoundError`` that names the file."""
    run = RunFolder(folder)
    results: list[Any] = [read_json(path) for path in run.results()]
    usual = results[0]
    head = front_matter(run.card) if run.card.is_file() else {}
    own = head.get("taskscape") or {}
    return Listing(
        tasks=tuple(usual["tasks"]),
        bytes=run.weights.stat().st_size,
        parameters=int(usual["cost"].get("parameters", 0)),
        metrics=_headlines(results),
        license=str(head.get("license", "")),
        trained_on=str(own.get("trained_on", "")),
        expects=str(own.get("expects", "")),
    )


def front_matter(card: Path) -> dict[str, Any]:
    """Return the metadata at the head of a model card; nothing where it has none. Raises ``ValueError``."""
    text = read_text(card, 1 << 20)
    if not text.startswith(FENCE):
        return {}
    head = parse_yaml(text.removeprefix(FENCE).partition("\n" + FENCE)[0], f"the head of {card}")
    return head if isinstance(head, dict) else {}


def _headlines(results: Sequence[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the leading metrics of results, each with its unit."""
    shown: dict[str, dict[str, str]] = {}
    for result in results:
        for name, spec in result["specs"].items():
            if spec["leads"] and name in result["metrics"]:
                value = f"{result['metrics'][name]:.{spec['digits']}f} {spec['unit']}".rstrip()
                shown.setdefault(spec["title"], {})[result["split"]] = value
    return shown
