"""The tables of generated streets: differences of each style from photographs, from ``street_gap.py``; and times."""

from collections.abc import Callable, Mapping
from typing import Any

from table import load, table


def probes() -> str:
    """Return the IoU of a head on ImageNet features, by its training images."""
    results = load("street_gap")["probes"]
    classes = list(next(iter(results.values())))[1:]
    names = {"of photographs": "photographs of CamVid"}
    rows = [
        [
            names.get(name, f"streets, `{name}`"),
            f"{iou['miou']:.1f}",
            *(f"{iou[class_name]:.0f}" for class_name in classes),
        ]
        for name, iou in results.items()
    ]
    return table(["the head learned from", "mIoU % ↑", *classes], rows)


def statistics() -> str:
    """Return brightness, its deviation and step for each class, of photographs and of each style."""
    sources = load("street_gap")["statistics"]
    titles = ["", *(f"{figure}, {name}" for figure in ("luma", "deviation", "step") for name in _short(sources))]
    rows = [
        [
            class_name,
            *(
                f"{rows[class_name][column]:.0f}" if class_name in rows else "–"
                for column in (3, 4, 6)
                for rows in sources.values()
            ),
        ]
        for class_name in sources["of photographs"]
    ]
    return table(titles, rows)


def _short(sources: Mapping[str, Any]) -> list[str]:
    return ["CamVid" if name == "of photographs" else f"`{name}`" for name in sources]


def times(results: Mapping[str, Any]) -> str:
    """Return the time to render a scene, by style and size."""
    rows = [
        [
            case.get("style", "classic"),
            "{}x{}".format(*case["size"]),
            str(case["samples"]),
            *(str(case.get(key, "–")) for key in ("ms", "prototype_ms", "ratio")),
        ]
        for case in results["cases"]
    ]
    return table(["style", "size", "samples", "ms", "prototype ms", "prototype / ours"], rows)


PARTS: dict[str, Callable[[], str]] = {
    "street-probe": probes,
    "street-statistics": statistics,
    "streets": lambda: times(load("streets")),
    "scenes-with-one": lambda: f"{load('streets')['scenes_per_second']['1']}",
    "scenes-with-two": lambda: f"{load('streets')['scenes_per_second']['2']}",
}
