"""Test-time augmentation: which predictions are merged, in which space, and its name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from taskscape import runs
from taskscape.cli import main
from taskscape.commands.shared import chosen_tta
from taskscape.evaluation import TTA, TestTimeAugmentation, find_tta
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.models import Outputs
from taskscape.report import write_comparison, write_report
from taskscape.run_folder import Result, RunFolder
from taskscape.tasks import Boundaries, Depth, SemanticSegmentation, SurfaceNormals, Task
from tiny import Tiny, tiny

SEMSEG = SemanticSegmentation(CITYSCAPES_2)


def pixels(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).view(1, -1, 1, 1)


def test_classes_become_one_in_probabilities() -> None:
    a, b = pixels(0.0, 2.0), pixels(5.0, 0.0)
    pa, pb = (np.exp(x.flatten().numpy()) / np.exp(x.flatten().numpy()).sum() for x in (a, b))
    for reduce, expected in (("mean", (pa + pb) / 2), ("max", np.maximum(pa, pb))):
        np.testing.assert_allclose(SEMSEG.merge([a, b], reduce).exp().flatten(), expected, rtol=1e-12)
    certain = SEMSEG.merge([pixels(0.0, 1e4), pixels(0.0, 1e4)], "mean")
    assert certain.isfinite().all() and SEMSEG.decode(certain).item() == 1


def test_depth_becomes_one_in_what_the_network_puts_out() -> None:
    depth = Depth("log", mean=0.0, std=1.0, min_depth=1.0, max_depth=100.0)
    near, far = pixels(np.log(4.0)), pixels(np.log(9.0))
    assert depth.decode(depth.merge([near, far], "mean")).item() == pytest.approx(6.0)  # the geometric mean
    assert depth.decode(depth.merge([near, far], "max")).item() == pytest.approx(9.0)


def test_normals_and_boundaries() -> None:
    normals = SurfaceNormals()
    for reduce in ("mean", "max"):
        merged = normals.decode(normals.merge([pixels(0, 0, -9), pixels(3, 0, 0)], reduce))
        torch.testing.assert_close(merged, pixels(0.5**0.5, 0, -(0.5**0.5)))
    boundaries = Boundaries()
    p = boundaries.decode(boundaries.merge([pixels(0.0), pixels(float(np.log(4)))], "mean"))
    assert p.item() == pytest.approx((0.5 + 0.8) / 2)
    for score in (1e4, -1e4):  # the probability is 1 or 0, whose logit would be infinite
        certain = boundaries.merge([pixels(score), pixels(score)], "mean")
        assert certain.isfinite() and boundaries.decode(certain).item() == pytest.approx(float(score > 0), abs=1e-6)


def test_every_version_of_the_image_is_seen_and_turned_back() -> None:
    """With a network that returns its input, the result is the image, with the sign of the normals' x adapted."""
    sizes: list[tuple[int, int]] = []

    def forward(image: Tensor) -> Outputs:
        sizes.append((image.shape[-2], image.shape[-1]))
        x = image[:, :1]
        return Outputs({"depth": x, "normals": torch.cat([x, x, x], 1)}, {}, ())

    tasks: dict[str, Task] = {"depth": Depth(), "normals": SurfaceNormals()}
    ramp = torch.linspace(0.2, 0.8, 24, dtype=torch.float64).expand(2, 3, 16, 24)
    found = TestTimeAugmentation((0.5, 1.0, 1.5), mirror=True)(forward, tasks, ramp)
    assert sizes == [(8, 12), (8, 12), (16, 24), (16, 24), (24, 36), (24, 36)]
    torch.testing.assert_close(found["depth"][..., 3:-3], ramp[:, :1, :, 3:-3], rtol=0, atol=0.02)
    assert found["normals"][:, 0].abs().max() < 1e-6  # x of an image and of its mirror image are opposite here
    only = TestTimeAugmentation((1.0,), mirror=False)(forward, tasks, ramp)
    torch.testing.assert_close(only["depth"], ramp[:, :1])
    torch.testing.assert_close(SurfaceNormals().decode(only["normals"]), F.normalize(ramp))


def test_what_is_made_smaller_is_averaged() -> None:
    """Every fourth of the stripes is not just sampled: neither in the image nor in the outputs for a larger one."""
    seen: list[Tensor] = []

    def forward(image: Tensor) -> Outputs:
        seen.append(image)
        stripes = (torch.arange(image.shape[-1]) % 4 % 3 == 0).to(image).expand(len(image), 1, *image.shape[-2:])
        return Outputs({"depth": stripes}, {}, ())

    stripes = (torch.arange(64) % 4 % 3 == 0).double().expand(1, 3, 16, 64)  # 1 0 0 1
    found = [TestTimeAugmentation((scale,), mirror=False)(forward, {"depth": Depth()}, stripes) for scale in (0.25, 4)]
    torch.testing.assert_close(seen[0][..., 1:-1], torch.full((1, 3, 4, 14), 0.5, dtype=torch.float64))
    torch.testing.assert_close(found[1]["depth"][..., 1:-1], torch.full((1, 1, 16, 62), 0.5, dtype=torch.float64))


def test_words() -> None:
    for name, tta in TTA.items():
        assert find_tta(name) == tta and tta.word == name
    own = TestTimeAugmentation((0.75, 1.0), mirror=True, reduce="max")
    assert own.word == "0.75-1-mirror-max" and find_tta(own.word) == own
    for scale in (1.2345678, 1.2345679, 1e-5, 1e-7):  # equal words would be one result file
        assert find_tta(TestTimeAugmentation((scale,)).word) == TestTimeAugmentation((scale,))
    assert find_tta(True) == TTA["mirror"] and find_tta(None) is None and find_tta(False) is None
    assert TTA["mirror"].cost == 2 and TTA["scales-3"].cost == pytest.approx(0.5625 + 1 + 1.5625)
    for wrong in ("scale-3", "../x", "1-", ""):
        with pytest.raises(ValueError, match="no test-time augmentation"):
            find_tta(wrong)
    with pytest.raises(ValueError, match=r"mirror-max; did you mean [^;]*\?$"):
        find_tta("scale-3")
    for out_of_range in ("0-1", "125", "0.5-1-9-mirror"):
        with pytest.raises(ValueError, match=f"test-time augmentation '{out_of_range}': scales is"):
            find_tta(out_of_range)


def test_flags_name_it_as_results_know_it() -> None:
    assert chosen_tta(False, None) is False and chosen_tta(True, None) is chosen_tta(False, "mirror") is True
    assert chosen_tta(False, "1.0-mirror") is True
    assert chosen_tta(False, "0.750-1-1.25") == "scales-3" and chosen_tta(False, "0.50-mirror") == "0.5-mirror"
    with pytest.raises(ValueError, match="did you mean mirror"):
        chosen_tta(False, "mirorr")


def test_a_run_is_evaluated_with_it_and_has_means_of_its_last_epochs(store: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), tta="0.5-1-mirror", average_last=2, epochs=3)
    paths = [tmp_path / name for name in ("a", "b")]
    for seed, path in enumerate(paths):
        runs.train(replace(experiment, seed=seed), path, quiet=True)
    folder = RunFolder(paths[0])
    plain, augmented = Result.load(folder.result()), Result.load(folder.result(tta="0.5-1-mirror"))
    assert augmented.tta == "0.5-1-mirror" and augmented.metrics != plain.metrics
    assert augmented.cost["flops"] == pytest.approx(2.5 * plain.cost["flops"])
    assert plain.last_epochs is not None and plain.last_epochs.epochs == 2 and augmented.last_epochs is None
    rows = folder.metric_rows()[1:]
    for name in ("semseg/miou", "depth/abs_rel", "normals/mean"):
        mean = sum(float(row[f"val/{name}"]) for row in rows) / 2
        assert plain.last_epochs.metrics[name] == pytest.approx(mean, rel=1e-12)
    assert set(plain.last_epochs.metrics) <= plain.specs.keys()
    page = write_report(paths[0], tta="0.5-1-mirror").read_text()
    assert "ithout test-time augmentation" in page and "times as long per image" in page
    assert "ean of the last 2 epochs" in write_report(paths[0]).read_text()
    compared = write_comparison(paths, tmp_path / "c.html", last_epochs=True).read_text()
    spec, values = plain.specs["depth/abs_rel"], [Result.load(RunFolder(p).result()).last_epochs for p in paths]
    both = [value.metrics["depth/abs_rel"] for value in values if value is not None]
    assert f"{spec.show(sum(both) / 2)} <small>±" in compared and "means of the last 2 epochs" in compared
    text = folder.experiment.read_text()
    folder.experiment.write_text(text.replace("validate_every: 1", "validate_every: 2"))
    assert "ean of the last 2 validations" in write_report(paths[0]).read_text()
    compared = write_comparison(paths, tmp_path / "c.html", last_epochs=True).read_text()
    assert "means of the last 2 validations or the last 2 epochs" in compared
    with pytest.raises(ValueError, match="no test-time augmentation 'words'"):
        replace(experiment, tta="words")


def test_times_of_a_comparison_are_those_of_the_predictions_that_it_compares(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for seed, folder in enumerate(folders):
        runs.train(replace(tiny(store), epochs=1, seed=seed, tta="mirror"), folder, quiet=True)
    sizes: list[int] = []
    forward = Tiny.forward
    monkeypatch.setattr(Tiny, "forward", lambda self, image: (sizes.append(len(image)), forward(self, image))[1])
    runs.measure_times(folders, device="cpu", rounds=1)
    plain = len(sizes)
    sizes.clear()
    times = runs.measure_times(folders, tta="mirror", device="cpu", rounds=1)
    assert len(sizes) == 2 * plain and times.conditions.endswith(", with test-time augmentation (mirror)")
    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr("taskscape.runs.measure_times", None)  # not called before all runs are read
        main(["compare", *map(str, folders), "--time", "--delta-m", "none/such", "--out", str(tmp_path / "page.html")])
    assert "delta_m: 'none/such' is neither" in capsys.readouterr().err
    main(["compare", *map(str, folders), "--tta", "--time", "--out", str(tmp_path / "page.html")])
    assert "with test-time augmentation (mirror)" in (tmp_path / "page.html").read_text("utf-8")
