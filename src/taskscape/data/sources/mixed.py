"""Mix several stores with different labels, drawn from by share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from typing_extensions import override

from taskscape.data.manifest import Manifest
from taskscape.data.mixed import Member, MixedStore
from taskscape.data.sources.base import DataSource, Preview
from taskscape.data.sources.mixed_part import EXAMPLE, MixedPart
from taskscape.data.sources.packed import Packed
from taskscape.data.store import Store
from taskscape.modalities import Modality
from taskscape.progress import ProgressCallback
from taskscape.serialization import agreeing, nearest
from taskscape.serialization.ranges import Count


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
            raise ValueError(f"data.parts is empty: name the stores, for example --data.parts {EXAMPLE} stores/streets")
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
