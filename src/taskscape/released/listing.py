"""Summarize a model from its files, without importing torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskscape.run_folder import RunFolder
from taskscape.serialization.plain import parse_yaml, read_json, read_text


@dataclass(frozen=True)
class Listing:
    """A summary of a model."""

    tasks: tuple[str, ...]
    """Names of the tasks that it predicts."""
    bytes: int
    """Size of its weights."""
    parameters: int
    metrics: dict[str, dict[str, str]]
    """The leading metrics by title and then by split, such as ``{"mIoU": {"val": "61.2 %"}}``."""
    license: str
    """License as in the model's card; empty if the card states none."""
    trained_on: str
    """The training data in a few words; empty if the card does not state them."""
    expects: str
    """The kind of images that it is for, in a few words; empty if the card does not state it."""


def in_words(metric: str, by_split: Mapping[str, str]) -> str:
    """Return a metric on all splits as text: ``mIoU: val 61.2 %, shifted 45.3 %``."""
    return f"{metric}: {', '.join(f'{split} {value}' for split, value in by_split.items())}"


def listing(folder: Path) -> Listing:
    """Return the summary of a model. Raises ``ValueError`` or ``FileNotFoundError`` naming the file."""
    run = RunFolder(folder)
    results: list[Any] = [read_json(path) for path in run.results()]
    main = results[0]
    head = front_matter(run.card)
    about = head.get("taskscape") or {}
    return Listing(
        tasks=tuple(main["tasks"]),
        bytes=run.weights.stat().st_size,
        parameters=int(main["cost"].get("parameters", 0)),
        metrics=_headlines(results),
        license=str(head.get("license", "")),
        trained_on=str(about.get("trained_on", "")),
        expects=str(about.get("expects", "")),
    )


def front_matter(card: Path) -> dict[str, Any]:
    """Return the metadata at the top of a model card; empty if there are none, or no card. Raises ``ValueError``."""
    fence = "---\n"
    text = read_text(card, 1 << 20) if card.is_file() else ""
    if not text.startswith(fence):
        return {}
    head = parse_yaml(text.removeprefix(fence).partition("\n" + fence)[0], f"the head of {card}")
    return head if isinstance(head, dict) else {}


def _headlines(results: Sequence[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the leading metrics of results without test-time augmentation, with their units, by title and split."""
    headlines: dict[str, dict[str, str]] = {}
    for result in results:
        if result.get("tta"):
            continue
        for name, spec in result["specs"].items():
            if spec["leads"] and name in result["metrics"]:
                value = f"{result['metrics'][name]:.{spec['digits']}f} {spec['unit']}".rstrip()
                headlines.setdefault(spec["title"], {})[result["split"]] = value
    return headlines
