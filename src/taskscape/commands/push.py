"""``taskscape push``."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from taskscape.commands.call import call
from taskscape.commands.shared import Run, require_run
from taskscape.imports import quick_imports

if TYPE_CHECKING:
    from taskscape.publishing import Published

Identifier = Annotated[str, tyro.conf.arg(metavar="LICENSE")]
Name = Annotated[str, tyro.conf.arg(metavar="USER/NAME", help="Name of the model on the hub.")]


def main(arguments: Sequence[str]) -> None:
    call(push, arguments, "push")


def push(
    run: Run,
    name: Name,
    /,
    *,
    public: bool = False,
    license: Identifier = "",
    data_license: Identifier = "",
    expects: Annotated[str, tyro.conf.arg(metavar="TEXT")] = "",
    half: bool = False,
    with_code: bool = False,
    page: bool = False,
    dry_run: bool = False,
) -> None:
    """Send the network of a run to the Hugging Face hub: weights, settings, results, and a model card made from them.

    Checkpoints, logs, sample images and reports stay here. Its predictions are compared with those of the run before
    anything is sent. Others use it with taskscape predict USER/NAME, or taskscape.load in Python.

    Args:
        public: Let everybody have it; a new repository is private otherwise, and one that is there stays as it is.
        license: Its license, by an identifier of the hub such as mit.
        data_license: License of the data that it was trained with, where taskscape did not make them.
        expects: What images it is for, in a few words, for the card.
        half: Store convolutions in float16: half the size; the card says what that changes.
        with_code: Send your own code that the run's settings name; it runs where the model is loaded.
        page: Send a page too, page.html, that runs the network in a browser.
        dry_run: Print what would be sent, and send nothing.
    """
    from taskscape.hub import require_repository

    require_run(run)
    require_repository(name)
    with quick_imports():
        from taskscape import publishing

    def show(published: "Published") -> None:
        for file in published.files:
            print(f"{file.stat().st_size:>12,} bytes  {file.relative_to(published.folder.path)}")
        if dry_run:
            print(f"\n{published.folder.card.read_text('utf-8')}")

    about = publishing.About(name, license, data_license, expects)
    address = publishing.push(
        run,
        about,
        public=public,
        half=half,
        code=with_code,
        page=_write_page if page else None,
        dry_run=dry_run,
        report=show,
    )
    if dry_run:
        print(f"nothing was sent; without --dry-run this goes to {address}", file=sys.stderr)
    else:
        print(address)


def _write_page(model: Path, file: Path) -> None:
    """Write a page of the model in a folder."""
    from taskscape.export import export

    with tempfile.TemporaryDirectory() as folder:
        file.write_bytes(export(model, "web", folder, options={"single": True}).path.read_bytes())
