"""What went into a network beside this package, and its licenses: read from the plain values of an experiment."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from taskscape.serialization import show_size

_IMAGENET = re.compile(r"tf_efficientnet_lite\d")


class Ingredient(NamedTuple):
    """One thing that a network was made from."""

    what: str
    license: str


def ingredients(settings: Any, data_license: str) -> list[Ingredient]:
    """Return what an experiment was made from; ``data_license`` is that of data which taskscape did not make."""
    found = [Ingredient(words, _license_of(kind, data_license)) for kind, words in sources(settings["data"])]
    network = settings["network"]
    if pretrained := network.get("pretrained"):
        encoder = network.get("encoder", "")
        if pretrained is not True:
            weights = Ingredient(f"weights of the encoder, from {Path(str(pretrained)).name}", "that of their author")
        elif _IMAGENET.fullmatch(encoder):
            weights = Ingredient(f"ImageNet weights of the encoder {encoder}", "Apache-2.0")
        else:
            weights = Ingredient(f"published weights of the encoder {encoder}", "that of their page on the hub")
        found.append(weights)
    if start := settings.get("start_from"):
        found.append(Ingredient(f"weights of {start}, from which training started", "that of their author"))
    return [*found, Ingredient("taskscape, which trained it", "MIT")]


def sources(data: Any) -> Iterator[tuple[str, str]]:
    """Yield the kind of every source of data in plain values, and what it is in a few words."""
    if isinstance(data, dict) and data.get("type") == "streets":
        style = f" in the style {data['style']}" if data.get("style") not in (None, "classic") else ""
        yield "streets", f"{data['train']:,} generated streets of {show_size(tuple(data['size']))}{style}"
    elif isinstance(data, dict) and "path" in data:
        yield str(data.get("type", "")), f"the store {Path(str(data['path'])).name}"
    elif isinstance(data, dict | list):
        for item in data.values() if isinstance(data, dict) else data:
            yield from sources(item)


def _license_of(kind: str, data_license: str) -> str:
    if kind == "streets":
        return "MIT: taskscape made them, free to use"
    return data_license or "not stated: ask who published the data"
