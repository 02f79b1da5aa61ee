"""The documented command line for two processes works unchanged."""

import os
import re
import subprocess
import sys
from pathlib import Path

from documents import ROOT
from taskscape.run_folder import Result, RunFolder

SMALL = (
    "--epochs 1 --batch-size 4 --device cpu --precision fp32 --monitor semseg/miou "
    "data:packed --data.path {store} --network.encoder resnet10t --network.output-stride 32 --network.width 16"
)
"""Arguments that make the run small. torchrun would also take ``--monitor`` for a flag of its own."""


def test_the_line_of_the_guide(store: Path, tmp_path: Path) -> None:
    (line,) = re.findall(r"^torchrun .*$", (ROOT / "docs" / "guide" / "distributed.md").read_text(), re.MULTILINE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        f"{line} {SMALL.format(store=store)}",
        shell=True,
        cwd=tmp_path,
        env=os.environ | {"PATH": path, "TMPDIR": str(tmp_path)},  # torchrun leaves a folder there
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = Result.load(RunFolder(tmp_path / "runs" / "two").result())
    assert result.environment["processes"] == "2"
