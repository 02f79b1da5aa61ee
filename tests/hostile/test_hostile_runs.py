"""Files of runs that execute code, unpack to excessive sizes, or point outside their folder."""

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from limited import needs_fork, refused, survived, variants
from PIL import Image

from report.fake_runs import make_run
from taskscape.cli import main
from taskscape.data.readers.miniscapes import write_miniscapes
from taskscape.files import atomic_write
from taskscape.inference import Prediction
from taskscape.modalities import Depth
from taskscape.report import write_report
from taskscape.report.run import Run
from taskscape.run_folder import Result, RunFolder
from taskscape.run_folder.samples import read_samples
from taskscape.state_dicts import read, read_safetensors, save_safetensors
from taskscape.training import checkpoint
from taskscape.views import view

pytestmark = needs_fork


class Harm:
    """An object that runs code when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.canary}",)


def repacked(path: Path, pickled: bytes | None = None, compression: int = zipfile.ZIP_STORED) -> Path:
    """Rewrite a checkpoint with a different pickle, or compressed."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, pickled if pickled and name.endswith("data.pkl") else data)
    return path


def test_checkpoints_do_not_run_code(tmp_path: Path) -> None:
    harm, path = Harm(tmp_path / "canary"), tmp_path / "last.ckpt"
    torch.save({"format": checkpoint.FORMAT, "network": harm}, path)
    refused(checkpoint.load, path)
    torch.save({"format": checkpoint.FORMAT, "network": harm}, path, _use_new_zipfile_serialization=False)
    refused(checkpoint.load, path)
    for protocol in (0, 2, 4):
        path.write_bytes(pickle.dumps(harm, protocol))
        refused(checkpoint.load, path)
        torch.save({}, path)
        refused(checkpoint.load, repacked(path, pickle.dumps(harm, protocol)))
        refused(read, path)
    assert not harm.canary.exists()


def test_checkpoints_that_unpack_to_more(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"a": torch.zeros(3_000_000)}, path)
    for reader in (checkpoint.load, read):
        assert "unpacks to" in refused(reader, repacked(path, compression=zipfile.ZIP_DEFLATED))
    torch.save({}, path)
    refused(checkpoint.load, repacked(path, b"\x80\x02" + b"(" * 1_000_000 + b"."))
    refused(checkpoint.load, repacked(path, pickle.dumps(bytearray(b"x"), 2).replace(b"x", b"y" * 9)))


def test_damaged_checkpoints(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "whole.ckpt", {"network": {"a": torch.zeros(9)}, "step": 1})
    content = (tmp_path / "whole.ckpt").read_bytes()
    paths = variants(content, tmp_path, ".ckpt", cuts=20, flips=40)
    assert survived(checkpoint.load, paths) == len(paths)


def tensors(header: Any, data: bytes = b"\0" * 8, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], offsets: list[int]) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": offsets}


WEIGHTS = {
    "header-length": tensors({}, length=2**63),
    "header-length-all": tensors({}, length=2**64 - 1),
    "header-short": tensors({}, length=10**6),
    "beyond": tensors({"a": entry([2], [0, 10**15])}),
    "overlapping": tensors({"a": entry([2], [0, 8]), "b": entry([2], [0, 8])}),
    "gap": tensors({"a": entry([1], [4, 8])}),
    "negative": tensors({"a": entry([2], [-8, 0])}),
    "shape": tensors({"a": entry([10**12], [0, 8])}),
    "overflow": tensors({"a": entry([2**63, 2**63], [0, 8])}),
    "type": tensors({"a": {**entry([2], [0, 8]), "dtype": "pickle"}}),
    "deep": tensors(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "list": tensors([]),
    "latin": tensors(b'{"\xe9": 1}'),
    "pickle": pickle.dumps({"a": 1}),
    "empty": b"",
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(WEIGHTS[name])
    refused(read_safetensors, path)


def test_damaged_weights(tmp_path: Path) -> None:
    save_safetensors(tmp_path / "whole.safetensors", {"a": torch.arange(9.0), "b": torch.zeros(2, 3)})
    paths = variants((tmp_path / "whole.safetensors").read_bytes(), tmp_path, ".safetensors")
    assert survived(read_safetensors, paths) > 60


# -- reports -----------------------------------------------------------------------------------------------------------


def samples(run: Path) -> None:
    Run.load(run).samples()


def test_sample_images_that_unpack_to_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(make_run(tmp_path))
    monkeypatch.setattr("taskscape.run_folder.samples.MOST_BYTES", 10**7)
    np.savez_compressed(run.samples(), image=np.zeros((12, 1000, 1000), np.uint8))

    def read(path: Path) -> None:
        samples(path.parent)

    assert "unpacks to" in refused(read, run.samples())
    with zipfile.ZipFile(run.samples(), "w") as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
        archive.writestr("image.npy", header.getvalue())
    with pytest.raises(ValueError, match=r"samples\.npz is damaged"):
        samples(run.path)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4more"])
def test_damaged_sample_images_are_named_by_whoever_reads_them(content: bytes, tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path))
    assert read_samples(run.path / "samples-none.npz") == {}
    run.samples().write_bytes(content)
    for read_them in (lambda: samples(run.path), lambda: read_samples(run.samples())):
        with pytest.raises(ValueError, match=r"samples\.npz is damaged \(.*; make it again with `taskscape evaluate"):
            read_them()


@pytest.mark.parametrize("epochs", ["two", "", "true", ".nan", "[1]", "{a: 1}"])
def test_a_report_of_settings_that_are_none(epochs: str, tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path))
    kept = [line for line in run.experiment.read_text().splitlines() if not line.startswith("epochs:")]
    run.experiment.write_text("\n".join([*kept, f"epochs: {epochs}"]))
    assert write_report(run.path).is_file()


@pytest.mark.parametrize("change", [{"size": [-32, 64]}, {"size": [32, 0]}, {"images": -1}])
def test_results_of_no_images(change: dict[str, Any], tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path))
    run.result().write_text(json.dumps({**json.loads(run.result().read_text()), **change}))
    with pytest.raises(ValueError, match=r"result\.json: .* images of .* are impossible; evaluate the run again"):
        Result.load(run.result())


def test_sample_images_do_not_run_code(tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path))
    harm = Harm(tmp_path / "canary")
    np.savez(run.samples(), allow_pickle=True, image=np.array([harm], object))

    def read(path: Path) -> None:
        samples(path.parent)

    refused(read, run.samples())
    run.samples().write_bytes(pickle.dumps(harm))
    refused(read, run.samples())
    assert not harm.canary.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"\xff\xfe\x00", b"epoch,step\n1," + b"9" * 200_000, b'epoch,step\n"' + b"1,2\n" * 9, b"a\nb\n"],
)
def test_tables_of_metrics(content: bytes, tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path))
    run.metrics.write_bytes(content)

    def read(path: Path) -> None:
        Run.load(path.parent)

    survived(read, [run.metrics])


@pytest.mark.parametrize("name", ["../canary", "/tmp/../canary", "a/../../canary", "..\\canary", "data.pkl/../canary"])
def test_names_in_archives_are_no_paths(name: str, tmp_path: Path) -> None:
    """An archive with entries outside its folder is read or rejected; nothing is unpacked to disk."""
    run = RunFolder(make_run(tmp_path / "runs"))
    entry = io.BytesIO()
    np.save(entry, np.zeros(3))
    torch.save({"a": torch.zeros(3)}, tmp_path / "last.ckpt")
    link = zipfile.ZipInfo("link.npy")
    link.external_attr = 0o120777 << 16
    for path in (run.samples(), tmp_path / "last.ckpt"):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name + ".npy", entry.getvalue())
            archive.writestr(link, str(tmp_path / "canary"))
    before = sorted(tmp_path.rglob("*"))
    survived(lambda path: samples(path.parent), [run.samples()])
    for reader in (checkpoint.load, read):
        survived(reader, [tmp_path / "last.ckpt"])
    assert sorted(tmp_path.rglob("*")) == before


# -- links in the output folder ----------------------------------------------------------------------------------------


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("mine")
    return folder


def is_untouched(outside: Path) -> bool:
    return [file.name for file in outside.iterdir()] == ["file"] and (outside / "file").read_text() == "mine"


@pytest.mark.parametrize("suffix", ["", ".part"])
def test_files_are_not_written_through_links(suffix: str, outside: Path, tmp_path: Path) -> None:
    link = tmp_path / f"page.html{suffix}"
    link.symlink_to(outside / "file")
    atomic_write(tmp_path / "page.html", "new")
    assert (tmp_path / "page.html").read_text() == "new"
    assert not (tmp_path / "page.html").is_symlink() and is_untouched(outside)


def test_predictions_stay_in_their_folder(outside: Path, tmp_path: Path) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    prediction = Prediction(image, {"depth": np.ones((4, 6), np.float32)}, {"depth": view(Depth())}, "x/a")
    out = tmp_path / "out"
    out.mkdir()
    (out / "x").symlink_to(outside)
    with pytest.raises(ValueError, match="x leads out of"):
        prediction.save(out)
    (out / "x").unlink()
    (out / "x").mkdir()
    for name in ("a.depth.png", "a.depth-view.png", "a.side-by-side.png"):
        (out / "x" / name).symlink_to(outside / "file")
    (out / "metadata.json").unlink()
    (out / "metadata.json").symlink_to(outside / "file")
    assert all(not file.is_symlink() for file in prediction.save(out))
    assert is_untouched(outside)
    elsewhere = tmp_path / "elsewhere"  # the folder that was named may be a link
    elsewhere.symlink_to(out)
    prediction.save(elsewhere)


def test_streets_and_reports_stay_in_their_folder(outside: Path, tmp_path: Path) -> None:
    (tmp_path / "streets" / "test").mkdir(parents=True)
    (tmp_path / "streets" / "test" / "rgb").symlink_to(outside)
    with pytest.raises(ValueError, match="rgb leads out of"):
        write_miniscapes(tmp_path / "streets", "test", 1, (8, 16), 1, processes=1)
    run = make_run(tmp_path)
    (run / "report").symlink_to(outside)
    with pytest.raises(ValueError, match="report leads out of"):
        write_report(run)
    assert is_untouched(outside)


def test_every_command_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the command line: exit code 2 and one message, never a traceback."""
    run = RunFolder(make_run(tmp_path))
    other = make_run(tmp_path, "other")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    deep = "a: " + "[" * 5000
    for path, content, commands in (
        (
            run.result(),
            "[" * 5000,
            [["report", str(run.path)], ["compare", str(other), str(run.path), "--out", str(tmp_path / "p")]],
        ),
        (run.experiment, deep, [["report", str(run.path)], ["evaluate", str(run.path)]]),
        (run.experiment, deep, [["predict", str(run.path), str(tmp_path / "a.png"), "--out", str(tmp_path / "o")]]),
        (tmp_path / "taskscape.yaml", deep, [["prepare", "folder", str(tmp_path), str(tmp_path / "store")]]),
    ):
        path.write_text(content)
        for command in commands:
            with pytest.raises(SystemExit) as exit:
                main(command)
            message = capsys.readouterr().err
            assert exit.value.code == 2, (command, message)
            assert path.name in message and "Traceback" not in message
