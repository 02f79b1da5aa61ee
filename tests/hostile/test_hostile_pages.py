"""Names given by users are shown as plain text in reports, comparisons and the terminal."""

import json
import os
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

from report.fake_runs import make_run
from taskscape.cli import main
from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import ClassSet, Depth, Semseg
from taskscape.report import print_metrics, write_comparison, write_report
from taskscape.report.html import write
from taskscape.run_folder import Result, RunFolder

HARM = (
    "<script>harm()</script>",
    '"><img src=x onerror=harm()>',
    "' onmouseover='harm()",
    "</style><script>harm()</script>",
    "</title><script>harm()</script>",
    "$style ${title} $$",
    "<!-- ",
    "&lt;script&gt;harm()",
    "]]><svg onload=harm()>",
    "[/bold] [red] [link=x]",
)
TASK = "<script>harm()<script>\"'"
"""A name without a slash, which separates tasks from metrics."""
TAGS = {"script", "iframe", "object", "embed", "link", "base", "form", "input", "style"}


class Page(HTMLParser):
    """Collects everything that a page could execute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in TAGS:
            self.found.append(tag)
        for name, value in attrs:
            outside = name in ("src", "href") and not (value or "").startswith(("data:image/", "#"))
            if name.startswith("on") or outside or (name == "style" and "harm" in (value or "")):
                self.found.append(f"{tag} {name}={value}")

    def handle_comment(self, data: str) -> None:
        self.found.append(f"comment {data}")

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_run(folder: Path, name: str) -> Path:
    run = RunFolder(make_run(folder, name))
    count = len(HARM)
    classes = Semseg(ClassSet(HARM[0], HARM, tuple((20 * i, 0, 0) for i in range(count))))
    spec = MetricSpec(title=HARM[1], unit=HARM[2], text=HARM[3], digits=1, higher_is_better=True)
    specs = {f"{TASK}/{i}": replace(spec, title=text, leads=i == 0) for i, text in enumerate(HARM)}
    specs |= {f"{TASK}/iou/{text}": replace(spec, title=f"IoU {text}", per_class=True) for text in HARM}
    confusion = np.ones((count, count), int).tolist()
    Result(
        split=HARM[0],
        images=3,
        size=(16, 32),
        tasks={TASK: classes, HARM[4]: Depth()},
        metrics=dict.fromkeys(specs, 50.0),
        specs=specs,
        plots={f"{TASK}/confusion": confusion},
        cost=dict.fromkeys(HARM, 1.0),
        environment={text: text for text in HARM},
    ).save(run.result())
    run.experiment.write_text(yaml.safe_dump({text: {text: text, "x": [text]} for text in HARM} | {"network": HARM[0]}))
    with np.load(run.samples()) as arrays:
        samples = dict(arrays)
    samples = {"image": samples["image"], "name": np.array([HARM[1], HARM[2]])}
    labels = np.zeros(samples["image"].shape[:3], np.uint8)
    samples |= {f"{TASK}/label": labels, f"{TASK}/prediction": labels, f"{TASK}/valid": labels == 0}
    np.savez(run.samples(), **samples)
    return run.path


def checked(page: Path) -> Page:
    parsed = Page(page.read_text("utf-8"))
    assert [found for found in parsed.found if found != "style"] == []
    assert parsed.found.count("style") == 1
    return parsed


@pytest.mark.parametrize(
    "name", ["<script>harm()<script>", "' onload='harm()", '"><img src=x onerror=harm()>', "$title"]
)
def test_pages(name: str, tmp_path: Path) -> None:
    run = hostile_run(tmp_path, name)
    page = checked(write_report(run))
    for text in HARM:
        assert text in page.text
    compared = checked(write_comparison([run, hostile_run(tmp_path, "other")], tmp_path / "comparison.html"))
    assert name in compared.text and HARM[0] in compared.text


def test_the_terminal_shows_names_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = Result.load(RunFolder(hostile_run(tmp_path, "run")).result())
    print_metrics(result, Console(width=400, markup=False))
    assert HARM[-1] in capsys.readouterr().out
    print_metrics(result)


def test_messages_with_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Terminal escapes in a file name could erase a message, or worse."""
    folder = tmp_path / "a\x1b[2J\x1b]0;x\x07\r[red]"
    folder.mkdir()
    for command in ("report", "evaluate"):
        with pytest.raises(SystemExit) as exit:
            main([command, str(folder)])
        assert exit.value.code == 2
        message = capsys.readouterr().err
        assert "\\x1b[2J" in message and "[red]" in message
        assert not set(message) & set("\x1b\x07\r")


PLOTS: dict[str, Any] = {
    "text": {"semseg/confusion": "abc"},
    "ragged": {"semseg/confusion": [[1, 2, 3], [4]]},
    "smaller": {"semseg/confusion": [[1]]},
    "larger": {"semseg/confusion": np.ones((40, 40), int).tolist()},
    "numbers": {"semseg/confusion": 5},
    "negative": {"semseg/confusion": [[-1, -1, -1]] * 3},
    "edges": {"depth/histogram": {"edges": [3], "predicted": "x", "true": None}},
    "missing": {"depth/histogram": {}},
    "list": {"depth/error_by_distance": [1, 2]},
    "none": {"depth/error_by_distance": {"edges": None, "abs_err": None, "abs_rel": None, "pixels": None}},
    "unknown": {"nothing/confusion": [[1]]},
}


@pytest.mark.parametrize("name", PLOTS)
def test_plots_of_another_form(name: str, tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path))
    content = json.loads(run.result().read_text())
    run.result().write_text(json.dumps({**content, "plots": PLOTS[name]}))
    try:
        checked(write_report(run.path))
    except ValueError as error:
        assert run.result().name in str(error)


@pytest.mark.parametrize("key", ["metrics", "specs", "tasks", "cost", "environment", "size"])
def test_results_with_gaps(key: str, tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path))
    content = json.loads(run.result().read_text())
    for value in ([], {}, None, {"a": None}, {"a/b": 1}, 10**400, [10**9, 10**9], [0, 0]):
        run.result().write_text(json.dumps({**content, key: value}))
        try:
            checked(write_report(run.path))
        except ValueError as error:
            assert run.result().name in str(error)


SAMPLES: dict[str, Any] = {
    "image": np.zeros((2, 16, 32), np.uint8),
    "name": np.array(["one"]),
    "semseg/label": np.full((2, 16, 32), 9999, np.int64),
    "semseg/prediction": np.zeros((2, 16, 31), np.uint8),
    "depth/valid": np.full((2, 16, 32), 7),
    "depth/label": np.full((2, 16, 32), "x"),
    "normals/label": np.zeros((2, 16, 32)),
}


@pytest.mark.parametrize("key", SAMPLES)
def test_sample_images_of_another_form(key: str, tmp_path: Path) -> None:
    run = RunFolder(make_run(tmp_path))
    with np.load(run.samples()) as arrays:
        samples = dict(arrays)
    np.savez(run.samples(), **{**samples, key: SAMPLES[key]})
    with pytest.raises(ValueError, match=rf"samples\.npz is damaged.*{key}"):
        write_report(run.path)


def test_names_that_are_no_utf_8_are_shown_with_their_bytes(tmp_path: Path) -> None:
    """As for a file from a Latin-1 system, whose bytes Python replaces with surrogates."""
    page = write(tmp_path / "page.html", f"<p>{os.fsdecode(b'gr' + bytes([0xF6]) + b'n')} größe</p>")
    assert page.read_text("utf-8") == "<p>gr\\udcf6n größe</p>"
