"""Mix several stores with different labels, drawn from by share."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from typing_extensions import override

from taskscape.data.manifest import Manifest
from taskscape.data.mixed import Member, MixedStore
from taskscape.data.sources.base import DataSource, Preview
from taskscape.data.sources.packed import Packed
from taskscape.data.sources.streets import Streets
from taskscape.data.store import Store
from taskscape.modalities import Modality
from taskscape.progress import ProgressCallback
from taskscape.serialization import agreeing, nearest, read_size, show_size
from taskscape.serialization.ranges import Count, NonNegative, RangedSettings

_STREETS = ("train", "val", "test", "shifted", "size", "samples", "seed", "style")
_KEYS = ("share", "labels", "classes", "validate", *_STREETS)
_EXAMPLE = "stores/camvid,share=1,labels=semseg"


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
        store, *pairs = re.split(rf",(?=(?:{'|'.join(_KEYS)})=)", text)
        words = dict(word.split("=", 1) for word in pairs)
        if len(words) < len(pairs):
            raise ValueError(f"data.parts: {text!r} gives a setting twice: leave one out")
        if unknown := re.search(r",(\w+)=", store):
            raise ValueError(f"data.parts: {text!r}: there is no {unknown[1]!r}{nearest(unknown[1], _KEYS)}")
        if not store:
            raise ValueError(f"data.parts: {text!r} names no store: write for example {_EXAMPLE}")
        streets_words = {key: words.pop(key) for key in _STREETS if key in words}
        if streets_words and store != Streets.name:
            raise ValueError(
                f"data.parts: {text!r}: {next(iter(streets_words))} is a setting of generated streets: leave it out, "
                f"or write {Streets.name} in the place of the store"
            )
        try:
            settings: dict[str, Any] = {"classes": words.get("classes", "")}
            if "share" in words:
                try:
                    settings["share"] = float(words["share"])
                except ValueError:
                    raise ValueError(f"share is {words['share']!r}: it must be a number, such as 0.7") from None
            for key in ("labels", "validate"):
                if key in words:
                    settings[key] = tuple(filter(None, words[key].split("+")))
            return cls(_parse_streets(streets_words) if store == Streets.name else Packed(Path(store)), **settings)
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
            words.append(f"share={self.share:g}")
        if self.labels is not None:
            words.append(f"labels={'+'.join(self.labels)}")
        if self.classes:
            words.append(f"classes={self.classes}")
        if self.validate is not None:
            words.append(f"validate={'+'.join(self.validate)}")
        return ",".join(words)


class _PartInfo(NamedTuple):
    """A part and its properties that are known before it is opened."""

    name: str
    part: MixedPart
    preview: Preview
    size: tuple[int, int]
    labels: tuple[str, ...]
    """Labels to train on."""
    validate: tuple[str, ...]
    """Labels to evaluate."""

    def used(self, split: str) -> tuple[str, ...]:
        """Return the labels that are used from a split; none if the split is left out."""
        if split not in self.preview.counts or (split == "train" and self.part.share == 0):
            return ()
        return self.labels if split == "train" else self.validate


@dataclass(frozen=True)
class Mixed(DataSource):
    """Several stores with different labels, drawn from by share: ``data:mixed``.

    Training batches mix images of all stores according to their shares. A task has no valid pixel in the images of a
    store that does not label it, and is skipped in a step without any valid pixel. The other splits combine those of
    all stores: a task is evaluated on the stores whose ``validate`` names its label.

    Labels with the same name must mean the same in all parts. Classes are mapped to those of the first part that has
    the label: by ``classes``, by a known map between the two class sets, or else by name. Classes without a counterpart
    become unlabeled. Depth must be metric in all parts or relative in all; its range is chosen from all parts together.
    """

    name: ClassVar[str] = "mixed"

    parts: tuple[str, ...] = ()
    """The stores, each given as, for example, stores/camvid,share=1,labels=semseg or
    streets,train=800,val=100,size=180x240,labels=depth+normals. Keys are share (of the images of an epoch, by default
    1), labels (to use, by default all), classes (mapping to the classes of the first store, such as
    cityscapes-to-camvid or wall:building+terrain:tree) and validate (labels to evaluate on its val split, by default
    those of labels). In Python, a part can be a MixedPart."""
    size: tuple[Count, Count] | None = None
    """Height and width of all images, which are cropped to its aspect ratio and resized; by default the size that all
    stores have."""
    images: Count | None = None
    """Number of images of an epoch; by default the number of training images of all stores."""

    def __post_init__(self) -> None:
        """Convert parts to text and check them. Raises ``ValueError``."""
        object.__setattr__(self, "parts", tuple(map(str, self.parts)))
        super().__post_init__()
        for part in self.parts:
            MixedPart.parse(part)

    @classmethod
    def of_parts(cls, *parts: MixedPart, size: tuple[int, int] | None = None, images: int | None = None) -> "Mixed":
        """Return a mixed source of these parts."""
        return cls(tuple(map(str, parts)), size, images)

    @override
    def preview(self) -> Preview:
        infos = self._read_parts()
        self._size(infos)
        fields = _fields(infos, "train")
        counts: dict[str, int] = {}
        for info in infos:
            for split, count in info.preview.counts.items():
                if info.used(split):
                    counts[split] = counts.get(split, 0) + count
        return Preview("+".join(info.name for info in infos), fields, counts)

    @override
    def open(self, report: ProgressCallback | None = None) -> dict[str, Store]:
        infos = self._read_parts()
        size = self._size(infos)  # before streets are rendered
        stores = [info.part.source.open(report) for info in infos]
        splits = dict.fromkeys(split for info in infos for split in info.preview.counts if info.used(split))
        opened: dict[str, Store] = {}
        for split in splits:
            fields = _fields(infos, split)
            parts = [
                Member(
                    info.name,
                    part_stores[split],
                    info.part.share if split == "train" else 1.0,
                    {
                        label: part_stores[split].fields[label].conversion_to(fields[label], info.part.classes)
                        for label in info.used(split)
                    },
                    info.part.classes,
                )
                for info, part_stores in zip(infos, stores, strict=True)
                if info.used(split)
            ]
            notes = tuple(_notes(infos, fields)) if split == "train" else ()
            opened[split] = MixedStore(parts, fields, size, self.images, notes)
        return opened

    def _read_parts(self) -> list[_PartInfo]:
        """Return the parts with their known properties. Raises ``ValueError`` that names a part and its setting."""
        if not self.parts:
            raise ValueError(
                f"data.parts is empty: name the stores, for example --data.parts {_EXAMPLE} stores/streets"
            )
        infos: list[_PartInfo] = []
        for part in map(MixedPart.parse, self.parts):
            source = part.source
            preview = source.preview()
            folder = source.path.resolve().name if isinstance(source, Packed) else source.name
            num_same = sum(info.name.partition("#")[0] == folder for info in infos)
            name = f"{folder}#{num_same + 1}" if num_same else folder
            for label in (*(part.labels or ()), *(part.validate or ())):
                if label not in preview.fields:
                    raise ValueError(f"data.parts: {part} has no labels {label!r}{nearest(label, preview.fields)}")
            labels = tuple(preview.fields) if part.labels is None else part.labels
            size = Manifest.of(source.path).size if isinstance(source, Packed) else source.size
            infos.append(
                _PartInfo(name, part, preview, size, labels, labels if part.validate is None else part.validate)
            )
        for split in ("train", "val"):
            if not any(info.used(split) for info in infos):
                requirement = (
                    "a share above 0 and a split train" if split == "train" else "a split val and labels to measure"
                )
                raise ValueError(f"data.parts: no store has {requirement}: give one")
            _fields(infos, split)  # checks them
        return infos

    def _size(self, infos: Sequence[_PartInfo]) -> tuple[int, int]:
        """Return the size of all images. Raises ``ValueError`` if the stores' sizes differ and none is set."""
        if self.size is not None:
            return self.size
        sizes = {info.name: info.size for info in infos}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{name} {height}x{width}" for name, (height, width) in sizes.items())
            raise ValueError(
                f"data: the stores have images of different sizes, {listed}: choose one size for all, such as "
                f"--data.size {'{}x{}'.format(*min(sizes.values()))}, or prepare them again with the same --size"
            )
        return next(iter(sizes.values()))


def _fields(infos: Sequence[_PartInfo], split: str) -> dict[str, Modality]:
    """Return the labels of a split, each with the modality of the first part that has it.

    Raises ``ValueError`` that names a part whose label cannot be converted to it.
    """
    modalities: dict[str, Modality] = {}
    for info in infos:
        for label in (*info.labels, *info.validate):
            modalities.setdefault(label, info.preview.fields[label])
    for info in infos:
        for label in info.used(split):
            try:
                info.preview.fields[label].conversion_to(modalities[label], info.part.classes)
            except ValueError as error:
                raise ValueError(f"data.parts: {info.name}: label {label!r}: {error}") from error
    used = {label for info in infos for label in info.used(split)}
    return {label: modality for label, modality in modalities.items() if label in used}


def _notes(infos: Sequence[_PartInfo], fields: Mapping[str, Modality]) -> Iterator[str]:
    """Yield sentences about the use of each part."""
    total = sum(info.part.share for info in infos if info.used("train"))
    for info in infos:
        if labels := info.used("train"):
            share = 100 * info.part.share / total
            yield f"{info.name} gives {share:.0f} % of the training images, with {', '.join(labels)}"
        elif info.part.share > 0:
            yield f"{info.name} has no images to train on or no labels in use: nothing is learned from it"
    for label in fields:
        measured = [info.name for info in infos if label in info.used("val")]
        yield f"{label} is measured on {' and '.join(measured) or 'none of the stores'}"
    for info in infos:
        for label in info.used("train"):
            if lost := info.preview.fields[label].unmatched_classes(fields[label], info.part.classes):
                become = agreeing(len(lost), "becomes", "become")
                yield f"{info.name}, {label}: {', '.join(lost)} {become} no class, and these pixels have no label"


def _parse_streets(words: Mapping[str, str]) -> Streets:
    settings: dict[str, Any] = {}
    for key, word in words.items():
        if key in ("size", "style"):
            settings[key] = read_size(word) if key == "size" else word
            continue
        try:
            settings[key] = int(word)
        except ValueError:
            raise ValueError(f"{key} is {word!r}: it must be a whole number") from None
    return Streets(**settings)
