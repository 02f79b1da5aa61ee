"""``taskscape push``."""

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from taskscape.commands.shared import Run, require_run
from taskscape.imports import quick_imports

if TYPE_CHECKING:
    from taskscape.publishing import Published

Identifier = Annotated[str, tyro.conf.arg(metavar="LICENSE")]
Name = Annotated[str, tyro.conf.arg(metavar="USER/NAME", help="Name of the model on the hub.")]


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
    """Upload the network of a run to the Hugging Face hub: weights, settings, results, and a generated model card.

    Checkpoints, logs, sample images and reports are not uploaded. Before the upload, the predictions of the model are
    compared with those of the run. Others can use it with taskscape predict USER/NAME, or taskscape.load in Python.

    Args:
        public: Make a new repository public; otherwise it is private. An existing one keeps its visibility.
        license: License of the model, an identifier of the hub such as mit.
        data_license: License of the training data, unless taskscape generated them.
        expects: A short description, for the model card, of the images that the model is for.
        half: Store convolutions in float16, for half the size; the model card reports the effect.
        with_code: Also upload your own code that the settings of the run refer to. It runs wherever the model is
            loaded.
        page: Also upload page.html, a page that runs the network in a browser.
        dry_run: Print what would be uploaded, without uploading it.
    """
    from taskscape.hub import require_login, require_repository

    require_run(run)
    require_repository(name)
    if not dry_run:
        require_login(name)
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
        print(f"nothing was uploaded; without --dry-run this goes to {address}", file=sys.stderr)
    else:
        print(address)


def _write_page(model: Path, file: Path) -> None:
    """Write a page that runs the model of a folder in a browser."""
    from taskscape.export import export

    with tempfile.TemporaryDirectory() as folder:
        file.write_bytes(export(model, "web", folder, options={"single": True}).path.read_bytes())
