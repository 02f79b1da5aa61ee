"""``taskscape doctor`` reports problems and their remedies."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from test_selfcheck import inject
from torch import nn

from taskscape.cli import main
from taskscape.selfcheck import standard
from taskscape.selfcheck.findings import short


@pytest.fixture(autouse=True)
def _few_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = (lambda: nn.Conv2d(16, 16, 3, padding=2, dilation=2), lambda: nn.Conv2d(16, 16, 3))
    monkeypatch.setattr(standard, "STANDARD", {16: layers})
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "cache"))


def doctor(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, str]]]:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json", "--device", "cpu"])
    report = json.loads(capsys.readouterr().out)
    assert report["fine"] == (ended.value.code == 0)
    assert all(
        line["remedy"] or "16 on" in line["name"] or "32 on" in line["name"]
        for line in report["lines"]
        if line["state"] == "off"
    )
    return int(ended.value.code or 0), {line["name"]: line for line in report["lines"]}


def test_a_healthy_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = doctor(capsys)
    assert not (tmp_path / "cache" / "precision").exists(), "verdicts on float32 are not for runs in bf16"
    assert lines["bf16 on cpu"]["value"] == "2 of 2 layers and functions are correct" == lines["fp32 on cpu"]["value"]
    assert lines["torch"]["value"] == torch.__version__.partition("+")[0]
    assert code == 0


def test_the_table_shows_paths_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with pytest.raises(SystemExit):
        main(["doctor", "--device", "cpu"])
    shown = capsys.readouterr().out
    assert "1 thread on" in shown
    assert str(tmp_path / "cache") in "".join(shown.split())


def test_a_wrong_kernel_is_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    inject(monkeypatch)
    code, lines = doctor(capsys)
    assert code == 1
    line = lines["bf16: Conv2d(16, 16, kernel_size=3, padding=2, dilation=2)"]
    assert line["value"] == "gradient of the weight (relative error 0.1)" and "in contiguous memory" in line["remedy"]
    with pytest.raises(SystemExit):
        main(["doctor", "--device", "cpu"])
    shown = capsys.readouterr().out
    assert "1 of 2 layers" in shown
    assert shown.rstrip().endswith("something is off; training avoids it, so there is nothing to do")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4096)
    with pytest.raises(SystemExit):
        main(["doctor", "--device", "cpu"])
    shown = capsys.readouterr().out
    assert shown.rstrip().endswith("something is off; training avoids some of it, the rest needs its remedy")


def test_wrong_float32_is_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    right = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda x, *args: right(x, *args) * (1.01 if x.dtype == torch.float32 else 1))
    code, lines = doctor(capsys)
    assert code == 1 and lines["fp32 on cpu"]["value"] == "0 of 2 layers and functions are correct"
    assert "output (relative error 0.01)" in lines["fp32: Conv2d(16, 16, kernel_size=3)"]["value"]


def test_a_cache_folder_that_cannot_be_written_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "file" / "cache"))
    code, lines = doctor(capsys)
    assert code == 1
    assert lines["cache folder"]["state"] == "off" and "TASKSCAPE_CACHE" in lines["cache folder"]["remedy"]


def test_a_user_without_a_home_is_told_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TASKSCAPE_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    code, lines = doctor(capsys)
    assert code == 1 and "set TASKSCAPE_CACHE to a writable folder" in lines["cache folder"]["remedy"]


def test_more_threads_than_cores_are_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4096)
    code, lines = doctor(capsys)
    assert code == 1 and "OMP_NUM_THREADS=" in lines["threads"]["remedy"]
    with pytest.raises(SystemExit):
        main(["doctor", "--device", "cpu"])
    assert capsys.readouterr().out.rstrip().endswith("something is off")


@pytest.mark.parametrize(("load", "remedy"), [(0.2, ""), (1.2, "--threads 3 is"), (9.0, "--threads 1 is")])
def test_on_a_busy_machine_fewer_threads_are_recommended(
    load: float, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr("taskscape.parallel.cores", lambda: 4)
    _, lines = doctor(capsys)
    assert remedy in lines["load"]["remedy"] and bool(remedy) == bool(lines["load"]["remedy"])
    assert lines["load"]["state"] == ("note" if remedy else "fine")


def test_titles_are_short() -> None:
    title = "Conv2d(24, 24, kernel_size=(3, 3), stride=(1, 1), padding=(2, 2), dilation=(2, 2)) in training"
    assert short(title) == "Conv2d(24, 24, kernel_size=3, padding=2, dilation=2)"
    assert short("max_unpool2d([2, 2], stride=None, padding=0, output_size=None)") == "max_unpool2d([2, 2], padding=0)"
