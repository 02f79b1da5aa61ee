"""Generated street scenes, rendered once into a packed store."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from taskscape.batch import Sample
from taskscape.data.manifest import FORMAT, IMAGE, MANIFEST
from taskscape.data.sources.base import DataSource, Preview
from taskscape.data.sources.cached import make_once
from taskscape.data.store import Store
from taskscape.data.writer import StoreWriter
from taskscape.files import cache_folder
from taskscape.modalities import Albedo, Boundaries, Depth, Modality, Normals, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_19, IGNORE_INDEX
from taskscape.progress import ProgressCallback
from taskscape.serialization.ranges import Count, CountOrZero, Seed

if TYPE_CHECKING:
    from taskscape.streets import Scene

FIELDS: dict[str, Modality] = {
    "semseg": Semseg(CITYSCAPES_19),
    "depth": Depth(),
    "normals": Normals(),
    "boundaries": Boundaries(),
    "albedo": Albedo(),
}
"""Labels of every scene."""


@dataclass(frozen=True)
class Streets(DataSource):
    """Generated street scenes: segmentation (19 Cityscapes classes), depth, normals, boundaries, albedo."""

    name: ClassVar[str] = "streets"

    train: CountOrZero = 800
    """Number of training scenes."""
    val: CountOrZero = 200
    """Number of validation scenes."""
    test: CountOrZero = 0
    """Number of test scenes."""
    shifted: CountOrZero = 0
    """Number of out-of-distribution scenes, to evaluate a network under domain shift."""
    size: tuple[Count, Count] = (64, 128)
    """Height and width in pixels."""
    samples: Count = 4
    """Rays per pixel: more are smoother and slower."""
    seed: Seed = 0
    """Random seed of the scenes."""
    style: Literal["classic", "photographs"] = "classic"
    """Style of the scenes. Photographs: towns as seen by a car's camera, for networks that will be applied to
    photographs. The shifted split is the same in both styles."""
    folder: Path | None = None
    """Folder for rendered scenes; by default $TASKSCAPE_CACHE or ~/.cache/taskscape."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        counts = (self.train, self.val, self.test, self.shifted)
        if max(counts) == 0:
            raise ValueError(f"train, val, test, shifted are {counts} scenes: not all may be zero")

    @override
    def open(self, report: ProgressCallback | None = None) -> dict[str, Store]:
        """Return the stores of all splits that have scenes; render missing scenes first.

        An interrupted rendering resumes. If several processes need the scenes, one renders and the others wait.
        """
        from taskscape.streets import STYLES, check_arguments  # imports numba, which takes a while

        counts, path = self.preview().counts, self._path()
        source = {"kind": self.name, "grammar": STYLES[self.style], "seed": self.seed, "samples": self.samples}
        if self.style != "classic":
            source["style"] = self.style
        check_arguments(self.seed, next(iter(counts)), 0, self.size, self.samples, self.style)
        make_once(path, lambda: self._render(path, counts, source, report))
        return {split: Store.open(path, split) for split in counts}

    @override
    def few(self, count: int) -> "Streets":
        return replace(self, train=min(count, self.train), val=min(2, self.val), test=0, shifted=0)

    @override
    def only(self, splits: Collection[str]) -> "Streets":
        """Return the same scenes of these splits; all splits if they are rendered already."""
        without: dict[str, Any] = {split: 0 for split in self.preview().counts if split not in splits}
        return self if (self._path() / MANIFEST).exists() else replace(self, **without)

    def _path(self) -> Path:
        """Return the folder of the store."""
        from taskscape.streets import STYLES

        style = "" if self.style == "classic" else f"-{self.style}"
        height, width = self.size
        key = f"streets{style}-grammar{STYLES[self.style]}-format{FORMAT}-{height}x{width}"
        key += f"-samples{self.samples}-seed{self.seed}"
        key += "".join(f"-{split}{count}" for split, count in self.preview().counts.items())
        return (self.folder or cache_folder()) / key

    @override
    def preview(self) -> Preview:
        counts = {split: getattr(self, split) for split in ("train", "val", "test", "shifted")}
        return Preview("streets", FIELDS, {split: count for split, count in counts.items() if count})

    def _render(
        self, path: Path, counts: Mapping[str, int], source: dict[str, Any], report: ProgressCallback | None
    ) -> None:
        from taskscape.streets import render_many

        writer = StoreWriter(path, self.size, counts, FIELDS, source)
        missing = {split: writer.missing(split) for split in counts}
        total = sum(counts.values())
        num_done = total - sum(map(len, missing.values()))
        for split, indices in missing.items():
            for index, scene in render_many(self.seed, split, indices, self.size, self.samples, style=self.style):
                writer.put(split, index, _sample(scene, f"{index:06d}"))
                num_done += 1
                if report is not None:
                    report(num_done, total)
        writer.finish()


def _sample(scene: "Scene", name: str) -> Sample:
    surface = scene.depth > 0  # the sky has no depth, normals or albedo
    return Sample(
        values={name: getattr(scene, name) for name in (IMAGE, *FIELDS)},
        valid={
            "semseg": scene.semseg != IGNORE_INDEX,
            "boundaries": np.ones(surface.shape, np.bool_),
            **dict.fromkeys(("depth", "normals", "albedo"), surface),
        },
        name=name,
    )
