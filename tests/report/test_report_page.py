import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from fake_runs import CLASSES, change_result

from taskscape.report import write_comparison, write_report
from taskscape.report.run import flatten
from taskscape.run_folder.result import TaskInfo

VOID = {"img", "meta", "wbr"}

MakeRun = Callable[..., Path]


class Page(HTMLParser):
    """Checks that tags are closed in order and keeps what is of interest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check(path: Path) -> Page:
    """Read a page: it must be well formed and complete in itself."""
    text = path.read_text()
    page = Page(text)
    assert "http" not in text and "@import" not in text and "url(" not in text
    assert all(ref.startswith(("data:image/", "#")) for ref in page.references)
    assert {ref[1:] for ref in page.references if ref.startswith("#")} == set(page.ids)
    assert not {"script", "link", "iframe", "b>kerb"} & set(page.tags)
    assert not re.search(r"\b(nan|inf)\b", page.text.split("</style>")[-1])
    assert not list(path.parent.glob("*.part"))
    return page


def test_a_page_tells_everything(make_run: MakeRun) -> None:
    run = make_run()
    path = write_report(run)
    assert path == run / "report" / "index.html"
    page = check(path)
    for name, value in flatten(yaml.safe_load((run / "experiment.yaml").read_text())).items():
        assert name in page.text and value in page.text
    for shown in ("mIoU", "60.00", "0.1000", "11.2", "12.3", "device", *CLASSES, "Loss, depth", "Task weights"):
        assert shown in page.text
    assert page.tags.count("img") == 4 + 1 + 2 * (1 + 3 * 3)  # hero, ball, samples
    assert "no label" in page.text


def test_names_are_escaped(make_run: MakeRun) -> None:
    text = write_report(make_run("a<b>&c")).read_text()
    assert "<b>kerb" not in text and "<script" not in text and "<i>0" not in text and "a<b>" not in text
    assert "&lt;b&gt;kerb&lt;/b&gt; &amp; co" in text and "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize("tasks", [("semseg",), ("depth",), ("normals",), ("semseg", "depth")])
def test_any_tasks(make_run: MakeRun, tasks: tuple[str, ...]) -> None:
    page = check(write_report(make_run(tasks=tasks)))
    assert ("confusion" in page.ids) == ("semseg" in tasks)
    assert ("distance" in page.ids) == ("depth" in tasks)


def test_only_a_result_is_enough(make_run: MakeRun) -> None:
    run = make_run()
    (run / "metrics.csv").unlink()
    (run / "samples.npz").unlink()
    change_result(run, figures={}, cost={}, environment={})
    assert check(write_report(run)).ids == ["overview", "metrics", "classes"]


def test_gaps_in_the_table(make_run: MakeRun) -> None:
    run = make_run()
    (run / "metrics.csv").write_text("epoch,step,lr,train/loss/depth,val/depth/rel,odd\n1,10,nan,,0.5,x\n2,20,,3.0\n")
    page = check(write_report(run))
    assert "Loss, depth" in page.text and "Learning rate" not in page.text


def test_samples_without_names(make_run: MakeRun) -> None:
    run = make_run(tasks=("depth",))
    with np.load(run / "samples.npz") as arrays:
        np.savez(run / "samples.npz", **{key: value for key, value in arrays.items() if key != "name"})
    assert "image 2" in check(write_report(run)).text


@pytest.mark.parametrize("classes", [2, 40])
def test_any_number_of_classes(make_run: MakeRun, classes: int) -> None:
    run = make_run(tasks=("semseg",))
    names, colors = [f"class {i}" for i in range(classes)], [[i, i, 6 * i] for i in range(classes)]
    matrix = np.random.default_rng(0).integers(0, 9, (classes, classes)).tolist()
    info = TaskInfo("semseg", "classes", names, colors)
    change_result(run, tasks=[info], figures={"semseg/confusion": matrix})
    page = check(write_report(run))
    assert page.tags.count("td") > classes * classes


def test_what_is_missing_is_named(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    (run / "result.json").unlink()
    with pytest.raises(ValueError, match=r"result\.json.*taskscape evaluate"):
        write_report(run)
    with pytest.raises(ValueError, match=r"no experiment\.yaml.*taskscape train"):
        write_report(tmp_path)
    assert not (run / "report").exists()


def test_a_page_is_small(make_run: MakeRun) -> None:
    assert write_report(make_run(size=(128, 256), count=8)).stat().st_size < 3e6
    wide = write_report(make_run("wide", ("depth",), size=(64, 2048), count=1)).read_text()
    assert 'width="512"' in wide and 'width="2048"' not in wide


def test_comparison_is_well_formed(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("x"), make_run("<y>", ("depth",)), make_run("z", scale=1.1, settings={"epochs": 9})]
    page = check(write_comparison(runs, tmp_path / "pages" / "all.html"))
    assert page.ids == ["metrics", "settings", "cost", "curves", "classes"]
    assert "epochs" in page.text


def test_a_page_about_another_evaluation(make_run: MakeRun) -> None:
    run = make_run("run")
    usual = write_report(run)
    with pytest.raises(ValueError, match=r"no result-shifted-tta.json yet.*evaluate .*run --split shifted --tta"):
        write_report(run, "shifted", tta=True)
    (run / "result.json").rename(run / "result-shifted.json")
    (run / "samples.npz").rename(run / "samples-shifted.npz")
    page = write_report(run, "shifted")
    assert page == usual.with_name("index-shifted.html") and page.read_text() == usual.read_text()
