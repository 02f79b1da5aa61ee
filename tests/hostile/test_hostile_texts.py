"""YAML and JSON with deep nesting, repetition, expansion or code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from limited import needs_fork, refused, survived, variants

from taskscape.data.manifest import Manifest
from taskscape.data.readers.files import read_json
from taskscape.data.readers.folder.description import Description
from taskscape.run_folder import Result
from taskscape.runs import Experiment
from taskscape.serialization import dump, parse
from taskscape.serialization.plain import read_yaml

pytestmark = needs_fork


def experiment(path: Path) -> Experiment:
    return parse(path.read_text("utf-8"), str(path), Experiment)


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
MERGES = "a0: &a0 {k: x}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}], k{i}: x}}\n" for i in range(1, 12)
)
YAML = {
    "tag": "semseg: !!python/object/apply:os.system ['touch canary']\n",
    "new": "semseg: !!python/object/new:pathlib.Path [canary]\n",
    "name": "semseg: !!python/name:os.system\n",
    "laughs": LAUGHS,
    "merges": MERGES,
    "itself": "semseg: &a {classes: *a}\n",
    "deep": "semseg: " + "[" * 5000 + "]" * 5000,
    "deep-block": "".join(" " * i + "a:\n" for i in range(500)),
    "deep-mapping": "semseg: " + "{a: " * 5000 + "}" * 5000,
    "unclosed": "[" * 60_000,
    "twice": "semseg: {classes: [a]}\nsemseg: {classes: [b]}\n",
    "twice-within": "semseg: {classes: [a], void: [1], classes: [b]}\n",
    "huge-number": "semseg: {classes: [a], void: [" + "9" * 100_000 + "]}",
    "date": "semseg: {classes: [2001-99-99]}",
    "odd-number": "semseg: {classes: !!int abc}",
    "odd-binary": "semseg: {classes: !!binary é}",
    "list-as-key": "? [a, b]\n: c\n",
    "null": "semseg: \0",
    "text": "just text",
    "list": "- a\n- b\n",
    "huge": "# " + "x" * 3_000_000,
    "many": "semseg: {classes: [" + "a, " * 20_500 + "]}",
    "many-documents": "--- a\n" * 1000,
    "alias-of-none": "semseg: *a",
}


@pytest.mark.parametrize("read", [Description.load, experiment, read_yaml], ids=["description", "experiment", "plain"])
@pytest.mark.parametrize("name", YAML)
def test_yaml(name: str, read: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"{name}.yaml"
    path.write_text(YAML[name], "utf-8")
    if read is read_yaml:
        survived(read, [path])
    else:
        refused(read, path)
    assert list(tmp_path.iterdir()) == [path]


def test_other_encodings(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16"):
        path = tmp_path / f"{encoding}.yaml"
        path.write_text("semseg: {classes: [Straße]}", encoding)
        refused(Description.load, path)
    path.write_text("semseg: {classes: [Straße]}", "utf-8-sig")
    assert Description.load(path).sections["semseg"].class_set().classes == ("Straße",)


def test_a_key_that_is_there_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "taskscape.yaml"
    path.write_text(YAML["twice"])
    assert "the key 'semseg' twice, the second in line 2" in refused(Description.load, path)


def test_damaged_yaml(tmp_path: Path) -> None:
    text = dump(Experiment()).encode()
    survived(experiment_or_text, variants(text, tmp_path, ".yaml", cuts=20, flips=40))
    survived(Description.load, variants(b"semseg: {classes: [a, b], void: [9]}\n" * 2, tmp_path, ".yml", cuts=20))


def experiment_or_text(path: Path) -> None:
    parse(path.read_text("utf-8", "replace"), str(path), Experiment)


JSON = {
    "deep": "[" * 5000 + "]" * 5000,
    "deep-mapping": '{"a":' * 5000 + "1" + "}" * 5000,
    "deeper-than-possible": '{"format": 2, "source": ' + "[" * 200 + "]" * 200 + "}",
    "unclosed": "[" * 1_000_000,
    "twice": '{"format": 2, "format": 2}',
    "huge-number": '{"format": ' + "9" * 100_000 + "}",
    "large-number": '{"format": 2, "images": ' + "9" * 400 + "}",
    "not-a-number": '{"format": NaN}',
    "list-for-format": '{"format": [2]}',
    "null": "null",
    "empty": "",
    "nul": "\0" * 1000,
    "text": '"format"',
    "latin": '{"format": "\xe9',
    "many": json.dumps({"format": 2, "names": {"train": [1] * 300_000}}),
    "many-keys": json.dumps({"format": 2, **{f"k{i}": 1 for i in range(100_000)}}),
}


@pytest.mark.parametrize("read", [Manifest.load, Result.load, read_json], ids=["manifest", "result", "raw"])
@pytest.mark.parametrize("name", JSON)
def test_json(name: str, read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(JSON[name], "latin-1")
    if read is read_json:
        survived(read, [path])
    else:
        refused(read, path)


def test_a_file_without_end(tmp_path: Path) -> None:
    """A sparse file of a TB: only the largest allowed size is read."""
    path = tmp_path / "manifest.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    refused(Manifest.load, path)
    refused(Result.load, path)
    refused(read_yaml, path)
