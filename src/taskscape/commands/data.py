"""``taskscape data``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from taskscape.data.check import Findings
    from taskscape.data.store import Store

    Picture = npt.NDArray[np.uint8]


def main(arguments: Sequence[str]) -> None:
    """Parse, call, print."""
    tyro.cli(data, args=arguments, prog="taskscape data")


def data(
    action: Literal["check", "show", "baseline"],
    store: Annotated[Path, tyro.conf.arg(metavar="STORE")],
    /,
    *,
    out: Path | None = None,
    images: int = 8,
    split: str = "val",
) -> None:
    """Check a packed store, or look at it.

    check reads everything and prints counts, shares of labelled pixels, class frequencies and a histogram of depth, and
    warns of what looks wrong. show writes a contact sheet: of each split a few images with their labels, and the mean
    image. baseline prints the metrics of predictors that do not look at the image, fitted to the split train: what a
    network must beat.

    Args:
        action: check, show or baseline.
        store: Folder of the store.
        out: File of the contact sheet; by default STORE.png beside the store.
        images: Images of each split on the contact sheet, evenly spread.
        split: The split that the baseline is measured on.
    """
    if action == "show":
        if images < 1:
            raise ValueError(f"--images {images}: at least one")
        path = out or store.resolve().with_suffix(".png")
        _show(store, path, images)
        print(f"the contact sheet is {path}")
        return
    if out is not None:
        raise ValueError("--out is the file of the contact sheet, which taskscape data show writes")
    if action == "baseline":
        _baseline(store, split)
        return
    from taskscape.data.check import check
    from taskscape.progress import progress_bar, reporter

    with progress_bar() as progress:
        findings = check(store, reporter(progress, "images"))
    _print(findings)


def _print(findings: "Findings") -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from taskscape.data.check import EDGES

    console = Console(highlight=False)
    splits, unit = findings.splits, "metres" if findings.depth_scale_known else "medians of the image"

    def table(title: str, rows: dict[str, list[str]]) -> None:
        shown = Table(title, *splits, box=None, padding=(0, 2))
        for column in shown.columns[1:]:
            column.justify = "right"
        for name, cells in rows.items():
            shown.add_row(name, *cells)
        console.print(shown)
        console.print()

    rows = {"images": [str(found.images) for found in splits.values()]}
    for task in next(iter(splits.values())).valid:
        rows[f"{task}: labelled pixels"] = [f"{100 * found.valid[task]:.1f} %" for found in splits.values()]
        rows[f"{task}: images without"] = [str(len(found.without[task])) for found in splits.values()]
    if findings.depth_scale_known and any(found.median_depth for found in splits.values()):
        rows["depth: median"] = [f"{found.median_depth or float('nan'):.3g} m" for found in splits.values()]
    rows["mean colour"] = [" ".join(f"{x:.3f}" for x in found.mean_image.mean((0, 1))) for found in splits.values()]
    table("", rows)

    def shares(counts: "list[npt.NDArray[np.int64]]", index: int) -> list[str]:
        return [f"{100 * some[index] / max(some.sum(), 1):.2f} %" for some in counts]

    if findings.class_set is not None:
        counts = [found.classes for found in splits.values()]
        table("class", {name: shares(counts, index) for index, name in enumerate(findings.class_set.classes)})
    depths = [found.depths for found in splits.values()]
    filled = np.flatnonzero(sum(depths))
    if len(filled):
        bins = range(filled[0], filled[-1] + 1)
        table(f"depth, {unit}", {f"{EDGES[i]:g} … {EDGES[i + 1]:g}": shares(depths, i) for i in bins})
    for warning in findings.warnings:
        console.print(f"[bold yellow]warning:[/] {warning}", markup=True, soft_wrap=True)
    if not findings.warnings:
        console.print("nothing looks wrong")


def _baseline(folder: Path, split: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from taskscape.evaluation.baselines import baseline
    from taskscape.data.store import Store
    from taskscape.report.glossary import arrow, is_per_class, meaning

    found = baseline(Store.open(folder, "train"), Store.open(folder, split))
    shown = Table("metric", "constant", "by position", "", "name", box=box.SIMPLE_HEAD, title=f"blind, on {split}")
    for column in shown.columns[1:3]:
        column.justify = "right"
    for name, value in found.constant.items():
        if not is_per_class(name):
            known = meaning(name)
            position = known.show(found.by_position[name])
            shown.add_row(known.title, known.show(value), position, f"{known.unit:2}{arrow(name)}", name)
    Console().print(shown)


def _show(folder: Path, path: Path, images: int) -> None:
    """Write the contact sheet: per split a row of the images, and one per task under it; the mean image comes first."""
    import numpy as np
    from PIL import Image

    from taskscape.data.manifest import Manifest
    from taskscape.data.store import Store

    rows = [row for split in Manifest.of(folder).counts for row in _rows(Store.open(folder, split), images)]
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate(
        [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)


def _rows(store: "Store", images: int) -> "list[Picture]":
    import numpy as np
    import torch

    from taskscape.views.pictures import INVALID, paint_classes, paint_depth, paint_directions

    every = np.unique(np.linspace(0, len(store) - 1, images).astype(np.int64))
    batch = store.gather(every, store.tasks, torch.device("cpu"))
    mean = np.zeros((*store.size, 3))
    for some in np.array_split(np.arange(len(store)), -(-len(store) // 16)):
        mean += store.gather(some, (), torch.device("cpu")).image.sum(0).permute(1, 2, 0).numpy()
    shown = batch.image.permute(0, 2, 3, 1).numpy()
    painted = [np.rint(255 * np.concatenate([mean[None] / len(store), shown])).astype(np.uint8)]
    for task, (values, masks) in batch.targets.items():
        value, mask = values.numpy(), masks.numpy()
        if task == "semseg":
            pictures = paint_classes(value, store.class_set.palette if store.class_set else (), mask)
        elif task == "depth":
            pictures = np.stack([paint_depth(v[0], m) for v, m in zip(value, mask, strict=True)])
        else:
            pictures = paint_directions(np.moveaxis(value, 1, -1), mask)
        empty = np.full((1, *store.size, 3), INVALID, np.uint8)
        painted.append(np.concatenate([empty, pictures]))
    return [np.concatenate(list(row), axis=1) for row in painted]
