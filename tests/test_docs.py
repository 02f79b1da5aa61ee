"""The documents are true: their Python runs, their commands and flags exist, their links lead somewhere."""

import functools
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from documents import PAGES, README, ROOT, blocks, commands
from PIL import Image

import taskscape
from blocks import pack
from taskscape import models, recipes
from taskscape.cli import COMMANDS, main
from taskscape.commands.recipes import recipes as names_of_recipes
from taskscape.data import Packed

DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *PAGES]
GUIDE = [page for page in DOCUMENTS if blocks(page, "python") and page.name not in ("CONTRIBUTING.md", "decisions.md")]


def label(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages take for given: a store, a run, a photograph, and rendered streets."""
    folder = tmp_path_factory.mktemp("documents")
    store = pack(folder / "rooms")
    network = models.DeeplabJointConfig(encoder="resnet10t", output_stride=32, width=16)
    experiment = replace(recipes.joint(), network=network, data=Packed(store), epochs=1, batch_size=4, device="cpu")
    taskscape.train(experiment, folder / "joint", quiet=True)
    Image.effect_noise((60, 40), 80).convert("RGB").save(folder / "photo.jpg")
    return folder


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "stores").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "stores" / "rooms").symlink_to(made / "rooms")
    (tmp_path / "runs" / "joint").symlink_to(made / "joint")
    (tmp_path / "photo.jpg").symlink_to(made / "photo.jpg")
    monkeypatch.setenv("TASKSCAPE_CACHE", str(made / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    random = torch.get_rng_state()
    yield tmp_path
    torch.set_rng_state(random)
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", GUIDE, ids=label)
def test_python_runs(page: Path, workspace: Path) -> None:
    names: dict[str, object] = {"__name__": "__page__"}
    for block in blocks(page, "python"):
        if block.title:
            (workspace / block.title).write_text(block.code)
        with redirect_stdout(io.StringIO()):
            exec(compile(block.code, f"{label(page)}: {block.code.splitlines()[0]}", "exec"), names)


def test_ten_lines_are_enough() -> None:
    for block in blocks(ROOT / "docs" / "guide" / "ten-lines.md", "python"):
        assert len([line for line in block.code.splitlines() if line.strip()]) <= 10, block.code
