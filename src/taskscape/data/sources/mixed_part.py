"""A part of mixed data: a store with its share and the labels that are used from it, as settings and as text."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskscape.data.sources.base import DataSource
from taskscape.data.sources.packed import Packed
from taskscape.data.sources.streets import Streets
from taskscape.serialization import nearest, read_size, show_size
from taskscape.serialization.ranges import NonNegative, RangedSettings

EXAMPLE = "stores/camvid,share=1,labels=semseg"


def _labels(word: str) -> tuple[str, ...]:
    return tuple(filter(None, word.split("+")))


_PART: Mapping[str, Callable[[str], Any]] = {"share": float, "labels": _labels, "classes": str, "validate": _labels}
_STREETS: Mapping[str, Callable[[str], Any]] = {
    "train": int, "val": int, "test": int, "shifted": int, "size": read_size, "samples": int, "seed": int, "style": str,
}  # fmt: skip
"""The keys of the text form, with their conversions: those of every part, and those of generated streets."""


@dataclass(frozen=True)
class MixedPart(RangedSettings):
    """One of several stores, with its share and the labels that are used from it.

    Its text form is ``STORE,share=1,labels=depth+normals,classes=…,validate=…``, where everything after the store is
    optional; ``MixedPart.parse`` reads it, ``str`` writes it. ``streets,train=800,val=100,size=180x240,seed=0`` stands
    for generated streets, as made by ``data:streets``.
    """

    data: DataSource | Path | str
    """Folder of the store, or a source: ``Packed(…)``, ``Streets(…)``."""
    share: NonNegative = 1.0
    """Share of the images of an epoch, relative to the shares of the other parts; 0 leaves it out of training."""
    labels: tuple[str, ...] | None = None
    """Labels to use from it; by default all."""
    classes: str = ""
    """Mapping from its classes to those of the first part with the same label: a name such as ``cityscapes-to-camvid``,
    or pairs such as ``wall:building+terrain:tree`` (``class_maps.class_table``)."""
    validate: tuple[str, ...] | None = None
    """Labels to evaluate on its other splits, such as ``val``; by default ``labels``."""

    @property
    def source(self) -> Packed | Streets:
        """The store as a data source. Raises ``ValueError`` for sources that cannot be a part."""
        source = self.data if isinstance(self.data, DataSource) else Packed(Path(self.data))
        if not isinstance(source, Packed | Streets) or (isinstance(source, Streets) and source.folder is not None):
            raise ValueError(f"data.parts: {source} cannot be a part: give a store, or streets without a folder")
        return source

    @classmethod
    def parse(cls, text: str) -> "MixedPart":
        """Parse the text form of a part. Raises ``ValueError`` that names the mistake."""
        store, *pairs = re.split(rf",(?=(?:{'|'.join([*_PART, *_STREETS])})=)", text)
        words = dict(word.split("=", 1) for word in pairs)
        if len(words) < len(pairs):
            raise ValueError(f"data.parts: {text!r} gives a setting twice: leave one out")
        if unknown := re.search(r",(\w+)=", store):
            similar = nearest(unknown[1], [*_PART, *_STREETS])
            raise ValueError(f"data.parts: {text!r}: there is no {unknown[1]!r}{similar}")
        if not store:
            raise ValueError(f"data.parts: {text!r} names no store: write for example {EXAMPLE}")
        if store != Streets.name and (foreign := [key for key in words if key in _STREETS]):
            raise ValueError(
                f"data.parts: {text!r}: {foreign[0]} is a setting of generated streets: leave it out, or write "
                f"{Streets.name} in the place of the store"
            )
        try:
            values = {key: _read(key, word) for key, word in words.items()}
            streets = {key: values.pop(key) for key in _STREETS if key in values}
            return cls(Streets(**streets) if store == Streets.name else Packed(Path(store)), **values)
        except ValueError as error:
            raise ValueError(f"data.parts: {text!r}: {error}") from error

    def __str__(self) -> str:
        """Return the text form of the part. Raises ``ValueError`` for sources that cannot be a part."""
        source = self.source
        if isinstance(source, Packed):
            words = [f"./{source.path}" if str(source.path) == Streets.name else str(source.path)]
        else:
            words = [Streets.name]
            for key in _STREETS:
                if (value := getattr(source, key)) != Streets.__dataclass_fields__[key].default:
                    words.append(f"{key}={show_size(value) if key == 'size' else value}")
        if self.share != 1:
            words.append(f"share={str(self.share).removesuffix('.0')}")
        if self.labels is not None:
            words.append(f"labels={'+'.join(self.labels)}")
        if self.classes:
            words.append(f"classes={self.classes}")
        if self.validate is not None:
            words.append(f"validate={'+'.join(self.validate)}")
        return ",".join(words)


def _read(key: str, word: str) -> Any:
    convert = _PART.get(key) or _STREETS[key]
    try:
        return convert(word)
    except ValueError as error:
        wanted = {int: "a whole number", float: "a number, such as 0.7"}.get(convert)  # type: ignore[call-overload]
        raise ValueError(f"{key} is {word!r}: it must be {wanted}" if wanted else str(error)) from None
