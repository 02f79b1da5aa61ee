"""The ``app`` command: errors are reported before any long work, and Ctrl-C ends it."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from taskscape import released
from taskscape.app.networks import PAGE, _key
from taskscape.cli import main
from taskscape.export.web import PageModel, write_folder
from taskscape.run_folder import RunFolder

MODEL = "taskscape/streets-small"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs/nothing"], "runs/nothing is not a run: it has no experiment.yaml"),
        ([MODEL, "taskscape/street-small"], "did you mean taskscape/streets-small"),
        (["--port", "many"], "--port many: give a whole number"),
        (["--port", "70000"], "--port 70000: it must be at least 0"),
        (["--prot", "80"], "did you mean --port"),
    ],
)
def test_mistakes(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").mkdir()  # otherwise runs/nothing could be a name on the hub
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["app", *arguments])
    assert end.value.code == 2
    assert said in re.sub(r"\s+", " ", capsys.readouterr().err)


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to another process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(number: signal.Signals, tmp_path: Path) -> None:
    """With a cached network, so that nothing is exported."""
    kept = tmp_path / "app" / _key(RunFolder(released.find(MODEL)))
    write_folder([PageModel({"name": "kept"}, {}, "content", 16, {})], kept / PAGE)
    command = [sys.executable, "-m", "taskscape", "app", "--port", "0", "--no-open"]
    environment = {**os.environ, "TASKSCAPE_CACHE": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as app:
        try:
            assert app.stdout is not None
            line = app.stdout.readline()
            address = line.split()[0]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", address), line
            with urllib.request.urlopen(address, timeout=60) as page:
                assert f'"name": "{MODEL}"'.encode() in page.read()
            with urllib.request.urlopen(address + "model-0.js", timeout=60) as model:
                assert b"content" in model.read()
        finally:
            app.send_signal(number)
        out, err = app.communicate(timeout=60)
    assert app.returncode == 128 + number
    assert out == "" and "stopped" in err and "Traceback" not in err
