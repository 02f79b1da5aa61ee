"""``taskscape data``."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from taskscape.commands.call import call
from taskscape.commands.layout import usage
from taskscape.commands.recipes import print_list, read_recipe
from taskscape.serialization import nearest
from taskscape.serialization.ranges import Count

if TYPE_CHECKING:
    from rich.console import Console

    from taskscape.data.check import Findings


Store = Annotated[Path, tyro.conf.arg(metavar="STORE", help="Folder of the store.")]
Stores = Annotated[tuple[Path, ...], tyro.conf.arg(metavar="STORES...", help="Folders of the stores.")]

_USAGE = ("taskscape data check|show STORES... [options]", "taskscape data baseline STORE [options]")


def main(arguments: Sequence[str]) -> None:
    action, *rest = arguments or ["--help"]
    if action in ACTIONS:
        call(ACTIONS[action], rest, f"data {action}")
    elif action in ("-h", "--help"):
        print("\n".join(usage(*_USAGE)))
        print("\nCheck or inspect packed stores, which taskscape prepare writes:\n")
        print_list({name: (function.__doc__ or "").partition("\n")[0] for name, function in ACTIONS.items()})
        print("\nRun taskscape data check --help, for example, for the help of check.")
        raise SystemExit(0)
    else:
        raise ValueError(f"there is no taskscape data {action}{nearest(action, ACTIONS)}")


def check_stores(stores: Stores, /) -> None:
    """Read stores completely, print statistics, and warn about implausible values.

    Prints counts, shares of labeled pixels and a histogram of each field (class frequencies, depth). Several stores are
    checked independently, one after the other.
    """
    _require_stores(stores)
    for store in stores:
        if len(stores) > 1:
            print(f"{store}:\n")
        _check(store)


def show(stores: Stores, /, *, out: Path | None = None, images: Count = 8) -> None:
    """Write a contact sheet of each store: a few images of each split with their labels, and the mean image.

    Args:
        out: File of the contact sheet, for a single store; by default STORE.png next to each store.
        images: Number of images per split, evenly spaced.
    """
    if out is not None and len(stores) > 1:
        raise ValueError(f"--out {out} is one file, and {len(stores)} stores are named: leave it out, or name one")
    _require_stores(stores)
    for store in stores:
        path = out or store.resolve().with_name(f"{store.resolve().name}.png")
        _show(store, path, images)
        print(f"the contact sheet is {path}")


def baseline(store: Store, /, *, split: str = "val", recipe: str | None = None) -> None:
    """Print the metrics of image-blind baselines, which any network should beat.

    The baselines are fitted to the split train.

    Args:
        split: Split to evaluate them on.
        recipe: Recipe whose tasks are evaluated, such as my.py:experiment; by default all tasks of the package that
            predict a field of the store.
    """
    _require_stores([store])
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from taskscape.data.store import Store
    from taskscape.evaluation.baselines import baseline
    from taskscape.report.glossary import arrow, shown

    train = Store.open(store, "train")
    tasks = read_recipe(recipe).for_data(train).tasks if recipe else None
    metrics = baseline(train, Store.open(store, split), tasks)
    table = Table("metric", "constant", "by position", "", "name", box=box.SIMPLE_HEAD, title=f"blind, on {split}")
    for column in table.columns[1:3]:
        column.justify = "right"
    table.columns[0].overflow, table.columns[-1].no_wrap = "fold", True  # both in full
    for name in shown(metrics.constant, metrics.specs):
        spec = metrics.specs[name]
        values = (spec.show(values[name]) for values in (metrics.constant, metrics.by_position))
        table.add_row(spec.title, *values, f"{spec.unit:2}{arrow(spec)}", name)
    Console(markup=False).print(table)


ACTIONS: dict[str, Callable[..., None]] = {"check": check_stores, "show": show, "baseline": baseline}


def _require_stores(stores: Sequence[Path]) -> None:
    """Raise ``FileNotFoundError`` or ``ValueError`` if any of the folders is not a store."""
    from taskscape.data.place import require_store

    for store in stores:
        require_store(store)


# -- check -------------------------------------------------------------------------------------------------------------


def _check(store: Path) -> None:
    from taskscape.data.check import check
    from taskscape.progress import progress_bar, reporter

    with progress_bar() as progress:
        findings = check(store, reporter(progress, "images"))
    _print_findings(findings)


def _print_findings(findings: "Findings") -> None:
    from rich.console import Console
    from rich.markup import escape

    from taskscape.files.paths import printable

    splits = findings.splits.values()
    console = Console(highlight=False, markup=False)  # names chosen by users may contain brackets
    rows = {"images": [str(split.images) for split in splits]}
    for name, modality in findings.fields.items():
        fields = [split.fields[name] for split in splits]
        rows[f"{name}: labeled pixels"] = [f"{100 * field.valid:.1f} %" for field in fields]
        rows[f"{name}: images without"] = [str(len(field.without)) for field in fields]
        if any(field.median is not None for field in fields):
            medians = ["–" if field.median is None else f"{field.median:.3g}" for field in fields]
            rows[f"{name}: median, {modality.unit}"] = medians
    rows["mean color"] = [" ".join(f"{x:.3f}" for x in split.mean_image.mean((0, 1))) for split in splits]
    _print_table(console, "", findings, rows)

    for name, modality in findings.fields.items():
        if modality.bins:
            histograms = [split.fields[name].histogram for split in splits]
            shares = [100 * histogram / max(histogram.sum(), 1) for histogram in histograms]
            cells = {bin_: [f"{share[i]:.2f} %" for share in shares] for i, bin_ in enumerate(modality.bins)}
            _print_table(console, f"{name}, {modality.unit}", findings, cells)
    for warning in findings.warnings:
        console.print(f"[bold yellow]warning:[/] {escape(printable(warning))}", markup=True, soft_wrap=True)
    for remark in findings.remarks:
        console.print(f"note: {printable(remark)}", soft_wrap=True)
    if not findings.warnings:
        console.print("no problems found")


def _print_table(console: "Console", title: str, findings: "Findings", rows: Mapping[str, Sequence[str]]) -> None:
    """Print rows of one cell per split."""
    from rich.table import Table

    table = Table(title, *findings.splits, box=None, padding=(0, 2))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, cells in rows.items():
        table.add_row(name, *cells)
    console.print(table)
    console.print()


# -- show --------------------------------------------------------------------------------------------------------------


def _show(folder: Path, path: Path, images: int) -> None:
    """Write the contact sheet."""
    from PIL import Image

    from taskscape.data.contact_sheet import contact_sheet
    from taskscape.files import atomic_write, writing

    image_format = Image.registered_extensions().get(path.suffix.lower())
    if image_format not in Image.SAVE:
        raise ValueError(f"--out {path}: images cannot be written with this extension; use {path.stem}.png")
    content = io.BytesIO()
    Image.fromarray(contact_sheet(folder, images)).save(content, image_format)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, content.getbuffer())
