"""The tables of docs/guide/confidence.md, from the results of confidence.py."""

from collections.abc import Mapping, Sequence
from typing import Any

from table import load, table

_WORDS = {"semseg": "classes", "depth": "depth", "normals": "normals"}
_SPLITS = {"val": "val", "shifted": "`shifted`"}
_QUALITY = {"semseg/miou": "mIoU % ↑", "depth/abs_rel": "abs rel ↓", "normals/mean": "mean angle ° ↓"}


def confidence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a row for each network, split and task that predicts its confidence."""
    table_rows = []
    for row in rows:
        for split, title in _SPLITS.items():
            metrics = row["metrics"][split]
            for task, word in _WORDS.items():
                if f"{task}/ece" in metrics:
                    table_rows.append(
                        [row["name"], title, word, f"{row['spreads'][task]:.2f}", *_measured(metrics, task)]
                    )
    head = ["", "images", "task", "spread", "ECE % before", "after", "NLL before", "after", "AUSE", "of a random order"]
    return table(head, table_rows, texts=3)


def _measured(metrics: Mapping[str, float], task: str) -> list[str]:
    forms = {
        "ece_uncalibrated": "{:.2f}",
        "ece": "{:.2f}",
        "nll_uncalibrated": "{:.3f}",
        "nll": "{:.3f}",
        "ause": "{:.3f}",
        "ause_random": "{:.3f}",
    }
    return [form.format(metrics[f"{task}/{key}"]) for key, form in forms.items()]


def quality(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a row for each network: whether predicted widths cost accuracy, and the cost of measuring."""
    table_rows = [
        [
            row["name"],
            f"{row['parameters']:,.0f}",
            *(
                f"{row['metrics'][split][key]:.{2 if key != 'depth/abs_rel' else 4}f}"
                for split in _SPLITS
                for key in _QUALITY
            ),
            f"{row['relative_cost']:.2f}",
        ]
        for row in rows
    ]
    head = [f"{split} {title}" for split in _SPLITS.values() for title in _QUALITY.values()]
    return table(["", "parameters", *head, "evaluation with confidence, times as long"], table_rows)


def released(figures: Mapping[str, Any]) -> str:
    """Return a row for each data set on which a released model was measured."""
    rows = [
        [
            _SPLITS.get(data_set, data_set),
            f"{metrics['miou']:.1f}",
            f"{metrics['ece_uncalibrated']:.1f}",
            f"{metrics['ece']:.1f}",
            f"{metrics['nll_uncalibrated']:.3f}",
            f"{metrics['nll']:.3f}",
            f"{metrics['ause']:.3f}",
            f"{metrics['ause_random']:.3f}",
        ]
        for data_set, metrics in figures["rows"].items()
    ]
    head = ["images", "mIoU %", "ECE % before", "after", "NLL before", "after", "AUSE", "of a random order"]
    return table(head, rows)


def setting() -> str:
    """Return a sentence on the data that the networks were trained and measured on."""
    results = load("confidence")
    height, width = results["size"]
    return (
        f"{results['streets']:,} streets of {height}×{width}, {results['epochs']} epochs, {results['encoder']}, one "
        f"seed, {results['measured']} streets of each split, {results['machine']['device']}"
    )


PARTS = {
    "confidence": lambda: confidence(load("confidence")["rows"]),
    "confidence-quality": lambda: quality(load("confidence")["rows"]),
    "confidence-released": lambda: released(load("confidence_released")),
    "confidence-released-spread": lambda: f"{load('confidence_released')['spread']:.2f}",
    "confidence-setting": setting,
}
