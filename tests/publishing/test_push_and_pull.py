"""Models are pushed to the hub and pulled from it, complete and verified, or not at all."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from huggingface_hub.errors import RepositoryNotFoundError
from local_hub import Hub
from safetensors.torch import save_file

import taskscape
from taskscape import hub, runs
from taskscape.cli import main
from taskscape.publishing import About, push
from taskscape.released import PHOTOGRAPH
from taskscape.run_folder import RunFolder
from taskscape.state_dicts import read_safetensors
from tiny import tiny

NAME = "somebody/rooms"


def test_there_and_back(run: Path, local_hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    main(["push", str(run), NAME, "--license", "cc-by-4.0"])
    assert capsys.readouterr().out.strip().endswith(f"/{NAME}")
    assert local_hub.private == {NAME: True}
    names = {path.relative_to(local_hub.folder / NAME).as_posix() for path in (local_hub.folder / NAME).rglob("*")}
    assert names == {"model.safetensors", "experiment.yaml", "result.json", "README.md"}
    expected = taskscape.load(run, device="cpu").predict(PHOTOGRAPH)
    from_hub = taskscape.load(NAME, device="cpu").predict(PHOTOGRAPH)
    main(["pull", NAME])
    assert Path(NAME, "README.md").is_file()
    downloads = local_hub.downloads
    pulled = taskscape.load(NAME, device="cpu").predict(PHOTOGRAPH)
    assert local_hub.downloads == downloads  # the local folder of that name is used
    for task, array in expected.items():
        assert np.array_equal(array, from_hub[task]) and np.array_equal(array, pulled[task])


def test_a_model_that_was_fetched_needs_no_connection(
    run: Path, local_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(run, About(NAME))
    taskscape.load(NAME, device="cpu")
    monkeypatch.setattr(hub, "unreachable", lambda: "no route")
    assert taskscape.load(NAME, device="cpu").model.tasks
    with pytest.raises(ValueError, match=r"no folder somebody/else, and the hub cannot be reached.*no route"):
        taskscape.load("somebody/else")


def test_a_model_that_was_fetched_in_part_is_not_used(
    run: Path, local_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(run, About(NAME))
    folder = hub.fetch(NAME)

    def lost(changed: bool) -> None:
        def download(*_: object, local_dir: Path, **__: object) -> None:
            if changed:
                (local_dir / "experiment.yaml").write_text("of another version")
            raise OSError("connection lost")

        monkeypatch.setattr("huggingface_hub.snapshot_download", download)
        with pytest.raises(ValueError, match=r"could not be fetched from the hub \(connection lost\): try again"):
            hub.fetch(NAME)

    lost(changed=False)
    with monkeypatch.context() as offline:
        offline.setattr(hub, "unreachable", lambda: "no route")
        assert hub.fetch(NAME) == folder  # nothing has changed
    lost(changed=True)
    lost(changed=False)  # the files are still of two versions
    with monkeypatch.context() as offline:
        offline.setattr(hub, "unreachable", lambda: "no route")
        with pytest.raises(ValueError, match=r"was fetched only in part.*fetch it again when you are online"):
            hub.fetch(NAME)
    monkeypatch.setattr("huggingface_hub.snapshot_download", local_hub.snapshot_download)
    assert taskscape.load(hub.fetch(NAME), device="cpu").model.tasks


def test_what_a_model_has_no_more_is_removed(run: Path, local_hub: Hub) -> None:
    push(run, About(NAME))
    for name in ("calibration.json", "result-shifted.json", "code/mine.py"):
        path = local_hub.folder / NAME / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    folder = hub.fetch(NAME, code=True)
    own = folder / "notes.txt"
    own.touch()
    assert (folder / "calibration.json").exists() and (folder / "code/mine.py").exists()
    push(run, About(NAME))
    hub.fetch(NAME)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"model.safetensors", "experiment.yaml", "result.json", "README.md", own.name}


def test_a_page_goes_with_the_model(run: Path, local_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def exported(model: Path, to: str, folder: str, *, options: dict[str, bool]) -> SimpleNamespace:
        assert RunFolder(model).published.is_file() and (to, options) == ("web", {"single": True})
        page = Path(folder) / "page.html"
        page.write_text(f"a page of {model.name}")
        return SimpleNamespace(path=page)

    monkeypatch.setattr("taskscape.export.export", exported)
    main(["push", str(run), NAME, "--page"])
    assert "`page.html` predicts in a browser" in (local_hub.folder / NAME / "README.md").read_text("utf-8")
    main(["pull", NAME])
    assert Path(NAME, "page.html").read_text("utf-8") == "a page of rooms"
    main(["push", str(run), NAME])
    assert not (local_hub.folder / NAME / "page.html").exists()
    assert "page.html" not in (local_hub.folder / NAME / "README.md").read_text("utf-8")


def test_dry_run_sends_nothing(run: Path, local_hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    main(["push", str(run), NAME, "--dry-run", "--half"])
    out = capsys.readouterr().out
    assert "bytes  model.safetensors" in out and f"# {NAME}" in out and "float16" in out
    assert not local_hub.folder.exists()


def test_public_is_asked_for(run: Path, local_hub: Hub) -> None:
    push(run, About(NAME), public=True)
    push(run, About(NAME))
    assert local_hub.private == {NAME: False}  # unchanged


def test_what_was_sent_before_is_replaced(run: Path, local_hub: Hub) -> None:
    (local_hub.folder / NAME).mkdir(parents=True)
    (local_hub.folder / NAME / "result-shifted.json").write_text("{}")
    push(run, About(NAME))
    assert not (local_hub.folder / NAME / "result-shifted.json").exists()


@pytest.mark.parametrize("name", ["rooms", "a/b/c", "../rooms", "a/..", "a/.b", "a/b c", "a--b/c", "/a", "a/"])
def test_names_that_the_hub_does_not_take(name: str, run: Path, local_hub: Hub) -> None:
    with pytest.raises(ValueError, match="is not a valid name of a model on the hub"):
        push(run, About(name))
    with pytest.raises(ValueError, match="is not a valid name of a model on the hub"):
        hub.fetch(name)
    assert not local_hub.downloads and not local_hub.private


def test_without_a_login_or_a_connection_the_remedy_is_said(
    run: Path, local_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "unreachable", lambda: "no route")
    with pytest.raises(ValueError, match=r"the hub cannot be reached \(no route\).*--dry-run"):
        push(run, About(NAME))
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ValueError, match=r"not logged in.*hf auth login.*HF_TOKEN"):
        push(run, About(NAME))
    assert not local_hub.private


def test_a_model_that_is_not_there(local_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ValueError, match=r"no such model on the hub, or it is private.*hf auth login"):
        taskscape.load(NAME)


def damaged(weights: Path) -> None:
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def without_checksum(weights: Path) -> None:
    save_file(read_safetensors(weights), weights)


def removed(weights: Path) -> None:
    weights.unlink()


def header_of_nonsense(weights: Path) -> None:
    text = json.dumps([1]).encode()
    weights.write_bytes(struct.pack("<Q", len(text)) + text)


def linked(weights: Path) -> None:
    outside = weights.parents[2] / "outside"
    weights.rename(outside)
    weights.symlink_to(outside)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (damaged, "is damaged, its checksum differs"),
        (without_checksum, "has no checksum"),
        (removed, "has no model.safetensors"),
        (header_of_nonsense, "is damaged or not a safetensors file"),
        (linked, "leads out of"),
    ],
)
def test_weights_are_verified(change, said: str, run: Path, local_hub: Hub) -> None:  # type: ignore[no-untyped-def]
    push(run, About(NAME))
    change(local_hub.folder / NAME / "model.safetensors")
    with pytest.raises(ValueError, match=said):
        taskscape.load(NAME)
    with pytest.raises(SystemExit):
        main(["pull", NAME, "--out", "mine"])
    assert not Path("mine").exists()


def test_files_that_are_not_a_models_are_left_where_they_are(run: Path, local_hub: Hub) -> None:
    push(run, About(NAME))
    for name in ("weights.pkl", "last.ckpt", "code/evil.py", "precision.json"):
        path = local_hub.folder / NAME / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("import os")
    main(["pull", NAME, "--out", "mine"])
    assert {path.name for path in Path("mine").rglob("*")} == {
        "model.safetensors", "experiment.yaml", "result.json", "README.md",
    }  # fmt: skip


def test_code_of_others_runs_with_consent_only(
    store: Path, local_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])  # so that tiny.py is saved by a relative path
    runs.train(replace(tiny(store), epochs=1), tmp_path / "run", quiet=True)
    with pytest.raises(ValueError, match=r"needs code of yours, tiny\.py:TinyConfig"):
        push(tmp_path / "run", About(NAME))
    push(tmp_path / "run", About(NAME), code=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"needs code of its author, tiny\.py:TinyConfig.*taskscape pull.*--with-code"):
        taskscape.load(NAME)
    with pytest.raises(SystemExit):
        main(["pull", NAME])
    assert not Path("somebody").exists()
    main(["pull", NAME, "--with-code", "--out", "mine"])
    assert Path("mine/code/tiny.py").is_file()
    assert set(taskscape.load("mine", device="cpu").model.tasks) == {"semseg", "depth", "normals"}
    assert "running the saved copy" in capsys.readouterr().err


def test_code_is_found_wherever_it_is_named() -> None:
    settings = {
        "network": {"type": "my.py:Mine"},
        "tasks": {"a": {"loss": {"type": "a b/c.py:L.M"}}},
        "note": "see x.py",
    }
    assert hub.code_in(settings) == ["my.py:Mine", "a b/c.py:L.M"]
    assert hub.code_in({"trackers": ["my.py:Mine"], "seed": 3}) == ["my.py:Mine"]


def test_the_hub_is_asked_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert "refused" in hub.unreachable()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert hub.unreachable() == "HF_HUB_OFFLINE is set"


def test_a_published_folder_is_a_run(run: Path, local_hub: Hub) -> None:
    push(run, About(NAME))
    folder = RunFolder(hub.fetch(NAME))
    assert folder.weights.name == "model.safetensors" and runs.load(folder.path, "cpu").tasks
