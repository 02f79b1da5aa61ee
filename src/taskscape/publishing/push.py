"""Upload the model of a run to the Hugging Face hub."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from taskscape import hub
from taskscape.publishing.card import About
from taskscape.publishing.folder import Published, publish


def push(
    run: str | Path,
    about: About,
    *,
    public: bool = False,
    half: bool = False,
    code: bool = False,
    page: Callable[[Path, Path], object] | None = None,
    dry_run: bool = False,
    report: Callable[[Published], None] = lambda published: None,
) -> str:
    """Upload the model of a run to the hub as ``about.name``, and return its address.

    A new repository is private unless ``public``; an existing one keeps its visibility, and files of earlier uploads
    are replaced. ``report`` is called before the upload; with ``dry_run`` nothing is sent. ``half``, ``code`` and
    ``page`` are as in ``publish``.

    Raises ``ValueError``, before anything is sent, for an invalid name, without a connection or a login, and as
    ``publish`` does; and if the upload fails.
    """
    from huggingface_hub import HfApi, constants

    hub.require_repository(about.name)
    if not dry_run:
        hub.require_login(about.name)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / about.name.rpartition("/")[2]  # pages show the folder's name as that of the model
        published = publish(run, folder, about, half=half, code=code, page=page)
        hub.verify(published.folder.path, about.name, code=code)
        report(published)
        if not dry_run:
            api = HfApi(library_name="taskscape")
            try:
                api.create_repo(about.name, private=not public, exist_ok=True)
                api.upload_folder(
                    repo_id=about.name,
                    folder_path=folder,
                    commit_message="Model of taskscape",
                    delete_patterns=[*hub.PATTERNS, *hub.CODE],
                )
            except Exception as error:  # errors of the hub and of its HTTP client
                raise ValueError(
                    f"{about.name} could not be sent to the hub ({error}): if you have no write access, choose a name "
                    "of your own, or log in with a token that has it (hf auth login)"
                ) from error
    return f"{constants.ENDPOINT}/{about.name}"
