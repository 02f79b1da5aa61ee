"""The tables of generated streets: differences of each style from photographs, from ``street_gap.py``; and times."""

from collections.abc import Callable, Mapping
from typing import Any

from table import load, table


def probes() -> str:
    """Return the IoU of a head on ImageNet features, by its training images."""
    found = load("street_gap")["probes"]
    classes = list(next(iter(found.values())))[1:]
    names = {"of photographs": "photographs of CamVid"}
    rows = [
        [names.get(name, f"streets, `{name}`"), f"{iou['miou']:.1f}", *(f"{iou[of]:.0f}" for of in classes)]
        for name, iou in found.items()
    ]
    return table(["the head learned from", "mIoU % ↑", *classes], rows)


def statistics() -> str:
    """Return brightness, its deviation and step for each class, of photographs and of each style."""
    found = load("street_gap")["statistics"]
    titles = ["", *(f"{what}, {name}" for what in ("luma", "deviation", "step") for name in _short(found))]
    rows = [
        [of, *(f"{rows[of][at]:.0f}" if of in rows else "–" for at in (3, 4, 6) for rows in found.values())]
        for of in found["of photographs"]
    ]
    return table(titles, rows)


def _short(found: Mapping[str, Any]) -> list[str]:
    return ["CamVid" if name == "of photographs" else f"`{name}`" for name in found]


def times(found: Mapping[str, Any]) -> str:
    """Return the time to render a scene, by style and size."""
    rows = [
        [
            of.get("style", "classic"),
            "{}x{}".format(*of["size"]),
            str(of["samples"]),
            *(str(of.get(key, "–")) for key in ("ms", "prototype_ms", "ratio")),
        ]
        for of in found["cases"]
    ]
    return table(["style", "size", "samples", "ms", "prototype ms", "prototype / ours"], rows)


PARTS: dict[str, Callable[[], str]] = {
    "street-probe": probes,
    "street-statistics": statistics,
    "streets": lambda: times(load("streets")),
    "scenes-with-one": lambda: f"{load('streets')['scenes_per_second']['1']}",
    "scenes-with-two": lambda: f"{load('streets')['scenes_per_second']['2']}",
}
