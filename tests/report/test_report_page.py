import csv
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fake_runs import CLASSES, change_result

from elevation import Elevation
from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import ClassSet, Depth, Modality, Semseg
from taskscape.report import write_comparison, write_report
from taskscape.report.html import facts
from taskscape.report.run import Run
from taskscape.report.yardsticks import single_task_runs
from taskscape.run_folder import Progress, Result, RunFolder
from taskscape.serialization.flat import flatten, setting_text

VOID = {"img", "meta", "wbr"}

MakeRun = Callable[..., Path]


class Page(HTMLParser):
    """Checks that tags are closed in order, and collects parts of the page."""

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
    """Read a page, and check that it is well-formed and self-contained."""
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
    for text in ("mIoU", "60.00", "0.1000", "11.2", "12.3", "device", *CLASSES, "Loss, depth", "Task weights"):
        assert text in page.text
    for text in ("% correct", "relative error", "° error", "true depth, meters", "Distribution, depth", "83.3 %"):
        assert text in page.text
    assert page.tags.count("img") == 4 + 2 + 2 * (1 + 3 * 4)  # hero, a sphere there and in the legends, samples
    assert "no label" in page.text


def test_names_are_escaped(make_run: MakeRun) -> None:
    text = write_report(make_run("a<b>&c")).read_text()
    assert "<b>kerb" not in text and "<script" not in text and "<i>0" not in text and "a<b>" not in text
    assert "&lt;b&gt;kerb&lt;/b&gt; &amp; co" in text and "&lt;script&gt;alert(1)" in text


@pytest.mark.parametrize("tasks", [("semseg",), ("depth",), ("normals",), ("semseg", "depth")])
def test_any_tasks(make_run: MakeRun, tasks: tuple[str, ...]) -> None:
    page = check(write_report(make_run(tasks=tasks)))
    assert ("confusion" in page.ids) == ("semseg" in tasks)
    assert ("distributions" in page.ids) == ("depth" in tasks)


def test_only_a_result_is_enough(make_run: MakeRun) -> None:
    run = make_run()
    (run / "metrics.csv").unlink()
    (run / "samples.npz").unlink()
    change_result(run, plots={}, cost={}, environment={})
    assert check(write_report(run)).ids == ["overview", "metrics", "classes"]


def test_gaps_in_the_table(make_run: MakeRun) -> None:
    run = make_run()
    (run / "metrics.csv").write_text(
        "epoch,step,lr,train/loss/depth,val/depth/abs_rel,odd\n1,10,nan,,0.5,x\n2,20,,3.0\n"
    )
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
    names, colors = tuple(f"class {i}" for i in range(classes)), tuple((i, i, 6 * i) for i in range(classes))
    matrix = np.random.default_rng(0).integers(0, 9, (classes, classes)).tolist()
    change_result(run, tasks={"semseg": Semseg(ClassSet("many", names, colors))}, plots={"semseg/confusion": matrix})
    page = check(write_report(run))
    assert page.tags.count("td") > classes * classes


def test_what_is_missing_is_named(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run()
    (run / "result.json").unlink()
    with pytest.raises(ValueError, match=r"result\.json.*taskscape evaluate"):
        write_report(run)
    RunFolder(run).weights.unlink()  # stopped in its first epoch
    with pytest.raises(ValueError, match=r"no result\.json.*taskscape train --resume"):
        write_comparison([run, make_run("other")], tmp_path / "page.html")
    with pytest.raises(FileNotFoundError, match=r"is not a run, but contains runs: .*other"):
        write_report(tmp_path)
    assert not (run / "report").exists()


def test_a_page_is_small(make_run: MakeRun) -> None:
    assert write_report(make_run(size=(128, 256), count=8)).stat().st_size < 3e6
    wide = write_report(make_run("wide", ("depth",), size=(64, 2048), count=1)).read_text()
    assert 'width="512"' in wide and 'width="2048"' not in wide


def test_comparison_is_well_formed(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run("x"), make_run("<y>", ("depth",)), make_run("z", scale=1.1, settings={"epochs": 9})]
    page = check(write_comparison(runs, tmp_path / "pages" / "all.html"))
    assert page.ids == ["what-differs", "metrics", "settings", "pairs", "cost", "curves", "classes", "images"]
    assert "Epochs" in page.text


def test_a_page_about_another_evaluation(make_run: MakeRun) -> None:
    run = make_run("run")
    usual = write_report(run)
    with pytest.raises(ValueError, match=r"no result-shifted-tta.json yet.*evaluate .*run --split shifted --tta"):
        write_report(run, "shifted", tta=True)
    validation = (run / "result.json").read_bytes()
    change_result(run, split="shifted")
    (run / "result.json").rename(run / "result-shifted.json")
    (run / "result.json").write_bytes(validation)
    (run / "samples.npz").rename(run / "samples-shifted.npz")
    page = write_report(run, "shifted")
    assert page == usual.with_name("index-shifted.html")
    assert page.read_text() == re.sub(r"\bval\b(?=[).])", "shifted", usual.read_text())


def test_the_page_tells_of_test_time_augmentation(make_run: MakeRun) -> None:
    run = make_run()
    assert "augmentation" not in check(write_report(run)).text
    change_result(run, tta=True)
    (run / "result.json").rename(run / "result-tta.json")
    (run / "samples.npz").rename(run / "samples-tta.npz")
    page = check(write_report(run, tta=True))
    assert "with test-time augmentation" in page.text and "img" in page.tags


def test_tasks_have_any_names(make_run: MakeRun) -> None:
    run = make_run(tasks=("semseg", "depth"))
    new = {"semseg": "rough classes", "depth": "how far"}
    result = Result.load(RunFolder(run).result())

    def renamed(content: Mapping[str, Any]) -> dict[str, Any]:
        return {"/".join([new[key.split("/")[0]], *key.split("/")[1:]]): value for key, value in content.items()}

    fields = {name: renamed(getattr(result, name)) for name in ("tasks", "metrics", "specs", "plots")}
    usual = check(write_report(run))
    change_result(run, **fields)
    with np.load(run / "samples.npz") as arrays:
        arrays = dict(arrays)
    common = {key: arrays.pop(key) for key in ("image", "name")}
    np.savez(run / "samples.npz", **common, **renamed(arrays))
    page = check(write_report(run))
    assert page.ids == usual.ids and page.tags.count("img") == usual.tags.count("img")
    for text in ("rough classes", "how far", "Distribution, how far", "true how far, meters"):
        assert text in page.text


def test_relative_depth_is_shown_on_the_scale_of_its_label(make_run: MakeRun) -> None:
    run = make_run(tasks=("depth",))
    with np.load(run / "samples.npz") as arrays:
        arrays = dict(arrays)
    arrays["depth/prediction"] = arrays["depth/label"] * 7
    np.savez(run / "samples.npz", **arrays)
    assert "6.000 relative error" in check(write_report(run)).text
    change_result(run, tasks={"depth": Depth(metric=False)}, plots={})
    text = check(write_report(run)).text
    assert "0.000 relative error" in text and "6.000 relative" not in text and "median of the image" in text


# -- a user's own task -------------------------------------------------------------------------------------------------


def elevation_run(make_run: MakeRun, modality: Modality) -> Path:
    """Write a run that predicts a user's own modality."""
    run = make_run(tasks=("depth",))
    specs = {
        "height/steepness": MetricSpec("Steepness", "°", leads=True),
        "height/land/sea": MetricSpec("Land, sea", "%", "Area by kind.", per_class=True),
    }
    plots = {
        "height/histogram": {"edges": [0, 10, 20], "true": [1, 2], "predicted": [2, 1]},
        "height/error_by_distance": {"edges": [0, 10, 20], "steepness": [1, 2], "pixels": [3, 3]},
    }
    metrics = {"height/steepness": 12.5, "height/land/sea": 71.0}
    change_result(run, tasks={"height": modality}, specs=specs, metrics=metrics, plots=plots)
    heights = np.arange(2 * 4 * 8, dtype=np.float32).reshape(2, 4, 8)
    np.savez(
        run / "samples.npz",
        **{"image": np.zeros((2, 4, 8, 3), np.uint8), "height/label": heights, "height/prediction": heights},
        **{"height/valid": np.ones((2, 4, 8), bool)},
    )
    return run


def test_a_view_of_ones_own_is_on_the_page(make_run: MakeRun) -> None:
    page = check(write_report(elevation_run(make_run, Elevation())))
    for text in (
        "a mountain", "White is 1000 m above the sea.", "Steepness ↓", "12.50", "71.0", "Area by kind.",
        "true height, meters above the sea", "Distribution, height",
    ):  # fmt: skip
        assert text in page.text, text
    assert "confusion" not in page.ids
    assert page.tags.count("img") == 2 + 2 * (1 + 4)


def test_a_modality_without_a_view_is_named(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = elevation_run(make_run, Elevation())
    monkeypatch.setattr("taskscape.views._VIEWS", {})
    with pytest.raises(ValueError, match=r"^Elevation has no view.*offer_view"):  # the file is not damaged
        write_report(run)


def test_a_page_needs_no_torch(make_run: MakeRun) -> None:
    code = (
        "import sys; from pathlib import Path; from taskscape.report import write_report;"
        f"write_report(Path({str(make_run())!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_empty_setting_is_none() -> None:
    assert setting_text({}) == setting_text([]) == "none"
    assert setting_text({"depth": 2.0}) == '{"depth": 2.0}'
    assert setting_text(0) == "0"


def test_a_long_value_has_a_line_of_its_own() -> None:
    assert facts([("device", "CPU")]) == '<dl class="facts"><div><dt>device</dt><dd>CPU</dd></div></dl>'
    assert "<div class=long><dt>self-check</dt><dd>decoder.<wbr>norm: " in facts([("self-check", "decoder.norm: " * 9)])


def test_a_run_that_its_minutes_ended_says_how_many_epochs_it_had(make_run: MakeRun) -> None:
    run = make_run("run", settings={"epochs": 9})
    change_result(run, progress=Progress(4, 4, finished=True))
    text = re.sub(r"<[^>]*>", "", write_report(run).read_text())
    assert "4, of at most 9" in text and "unfinished" not in text


def test_a_misspelled_result_is_answered_with_the_nearest(make_run: MakeRun) -> None:
    run = make_run("run")
    Result.load(run / "result.json").save(RunFolder(run).result("rooms-val-height32"))
    with pytest.raises(ValueError, match=r"no result-room-val-height32\.json yet; did you mean rooms-val-height32"):
        write_report(run, "room-val-height32")


def test_the_best_epoch_is_the_logged_one(make_run: MakeRun) -> None:
    run = make_run()
    assert Run.load(run).best_epoch is None
    folder = RunFolder(run)
    validations_since = {1: 0, 2: 0, 3: 1, 4: 2}  # there is none in epoch 2
    rows = [{**row, "epochs_since_best": str(validations_since[int(row["epoch"])])} for row in folder.table()]
    with folder.metrics.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    assert Run.load(run).best_epoch == 1
    assert "1, the best on the validation split" in write_report(run).read_text()


def test_a_confusion_of_other_classes_is_refused(make_run: MakeRun) -> None:
    run = make_run()
    change_result(run, plots={"semseg/confusion": [[1] * 4] * 4})
    with pytest.raises(ValueError, match=r"semseg/confusion has 4 rows for 3 classes; create it again with `"):
        write_report(run)


def test_single_task_runs_are_found_among_many_folders(make_run: MakeRun) -> None:
    run = make_run()
    for number in range(250):
        (run.parent / f"other{number}").mkdir()
    make_run("single", ("semseg",))
    assert list(single_task_runs(Run.load(run))) == ["semseg"]
