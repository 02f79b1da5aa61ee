"""Confidence of every task: its meaning as a probability, its calibration, and its measurement and storage in runs."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import taskscape
from blocks import blocks
from taskscape import runs
from taskscape.batch import Batch, Target
from taskscape.cli import main
from taskscape.evaluation import ConfidenceEvaluator, Evaluation, calibration
from taskscape.evaluation.calibration import calibrate, least
from taskscape.inference.labelers import NetworkLabeler
from taskscape.losses import L1, Angular, Cosine, Laplace
from taskscape.losses.likelihood import width_of
from taskscape.modalities.class_sets import CITYSCAPES_7
from taskscape.models import AdaptiveDepthConfig, Outputs, XTaskConfig
from taskscape.objectives import CrossTaskConsistency
from taskscape.report.checks import check_plots
from taskscape.report.page import write_report
from taskscape.run_folder import Calibration, Result, RunFolder
from taskscape.tasks import Albedo, Boundaries, Depth, SemanticSegmentation, SurfaceNormals, Task
from taskscape.tasks.distributions.classes import Categorical
from taskscape.weighting import GeometricConfig
from tiny import tiny

SURE: dict[str, Task] = {
    "semseg": SemanticSegmentation(CITYSCAPES_7, confidence="probability"),
    "depth": Depth(loss=Laplace()),
    "inverse": Depth("inverse", mean=0.0, std=0.1, loss=Laplace()),
    "meters": Depth("meters", loss=Laplace()),
    "relative": Depth(metric=False, loss=Laplace()),
    "normals": SurfaceNormals(loss=Angular()),
    "boundaries": Boundaries(confidence="probability"),
    "albedo": Albedo(loss=Laplace()),
}
every_task = pytest.mark.parametrize("name", SURE)


def raw_and_target(name: str, pixels: int = 4000) -> tuple[Tensor, Target]:
    """Return raw output (4, C, 1, n), and ground truth drawn from the distribution that it encodes."""
    torch.manual_seed(0)
    task = SURE[name]
    raw = torch.randn(4, task.channels, 1, pixels)
    shape = (4, 1, pixels)
    if name == "semseg":
        value = torch.distributions.Categorical(logits=raw.movedim(1, -1)).sample()
    elif name == "boundaries":
        value = torch.bernoulli(raw.sigmoid())
    elif name == "normals":
        raw[:, 3] = 0.4 * raw[:, 3] - 2
        value = _turned(task.decode(raw), _angles(width_of(raw)))
    elif name == "albedo":
        raw[:, 3] = 0.4 * raw[:, 3] - 3.5
        noise = torch.distributions.Laplace(
            torch.zeros(4, 3, *shape[1:]), width_of(raw)[:, None].expand(4, 3, *shape[1:])
        )
        value = task.decode(raw) + noise.sample()
    else:
        assert isinstance(task, Depth)
        raw[:, :1] = task.encode(10 * torch.randn(4, 1, 1, pixels).mul(0.5).exp())
        raw[:, 1] = 0.4 * raw[:, 1] - (4 if name == "meters" else 2)
        center = raw[:, :1] + torch.distributions.Laplace(0.0, width_of(raw)[:, None]).sample()
        value = task.decode(torch.cat([center, raw[:, 1:]], 1))
    return raw, Target(value, torch.ones(shape, dtype=torch.bool))


def _angles(width: Tensor) -> Tensor:
    """Draw angles from the angular density by its inverse distribution function."""
    grid = torch.linspace(0, math.pi, 4001)
    angles = torch.empty_like(width)
    for b, w in np.ndenumerate(width.numpy()):
        density = np.sin(grid.numpy()) * np.exp(-grid.numpy() / w)
        up_to = density.cumsum()
        angles[b] = float(np.interp(np.random.default_rng(hash(b) % 2**32).random() * up_to[-1], up_to, grid.numpy()))
    return angles


def _turned(directions: Tensor, angles: Tensor) -> Tensor:
    """Rotate directions (B, 3, H, W) by angles (B, H, W) toward random sides."""
    side = torch.linalg.cross(directions, torch.randn_like(directions), dim=1)
    side = torch.nn.functional.normalize(side, dim=1)
    return directions * angles.cos()[:, None] + side * angles.sin()[:, None]


@every_task
def test_the_probability_of_being_right_is_how_often_it_is_so(name: str) -> None:
    task, (raw, target) = SURE[name], raw_and_target(name, 1500)
    distribution = task.distribution
    assert distribution is not None
    estimate = distribution.estimate(raw)
    right = distribution.right(task.decode(raw), target).float()
    for part in (
        estimate.probability < estimate.probability.median(),
        estimate.probability >= estimate.probability.median(),
    ):
        assert right[part].mean().item() == pytest.approx(estimate.probability[part].mean().item(), abs=0.03)
    assert estimate.probability.shape == raw.shape[:1] + raw.shape[2:]
    assert ((estimate.probability >= 0) & (estimate.probability <= 1)).all() and (estimate.uncertainty >= 0).all()


@pytest.mark.parametrize("name", ["depth", "inverse", "meters", "relative"])
def test_the_uncertainty_of_depth_is_the_scale_of_its_relative_error(name: str) -> None:
    task, (raw, target) = SURE[name], raw_and_target(name)
    distribution = task.distribution
    assert distribution is not None
    if name == "relative":  # the scale of an image says nothing
        target = target._replace(value=target.value * torch.tensor([0.2, 1.0, 3.0, 50.0]).view(4, 1, 1, 1))
    ratio = distribution.error(task.decode(raw), target) / distribution.estimate(raw).uncertainty
    assert ratio.median().item() == pytest.approx(math.log(2), rel=0.06)  # the median of a Laplace density's errors


@pytest.mark.parametrize("name", ["normals", "albedo"])
def test_the_uncertainty_is_the_expected_error(name: str) -> None:
    task, (raw, target) = SURE[name], raw_and_target(name)
    distribution = task.distribution
    assert distribution is not None
    error, uncertainty = distribution.error(task.decode(raw), target), distribution.estimate(raw).uncertainty
    for part in (uncertainty < uncertainty.median(), uncertainty >= uncertainty.median()):
        assert error[part].mean().item() == pytest.approx(uncertainty[part].mean().item(), rel=0.05)


@every_task
def test_the_likelihood_of_valid_pixels_does_not_depend_on_the_others(name: str) -> None:
    distribution, (raw, target) = SURE[name].distribution, raw_and_target(name, 20)
    assert distribution is not None
    valid = torch.arange(20).expand(target.valid.shape) % 2 == 0
    invalid = ~valid if target.value.ndim == 3 else ~valid[:, None]
    for garbage in (255, -1, 0):
        others = Target(target.value.masked_fill(invalid, garbage), valid)
        expected = distribution.nll(raw, target)[valid]
        assert expected.isfinite().all() and torch.equal(distribution.nll(raw, others)[valid], expected)


@every_task
def test_a_wider_distribution_is_less_sure(name: str) -> None:
    task, (raw, _) = SURE[name], raw_and_target(name, 50)
    narrow, wide, extreme = task.confidence_of(raw, 0.5), task.confidence_of(raw, 2.0), task.confidence_of(1e6 * raw)
    assert narrow is not None and wide is not None and extreme is not None
    assert (wide <= narrow + 1e-6).all() and (wide < narrow).any()
    assert extreme.isfinite().all()


@every_task
@pytest.mark.parametrize("factor", [0.4, 3.0])
def test_calibration_finds_what_makes_a_network_too_sure(name: str, factor: float) -> None:
    """If scores are multiplied, or widths divided, by a factor, calibration finds it."""
    task, (raw, target) = SURE[name], raw_and_target(name)
    wrong = raw.clone()
    if task.loss.scale_channels:
        wrong[:, -1] = 6 * torch.atanh((width_of(raw) / factor).log() / 6)
    else:
        wrong = wrong * factor
    batch = Batch(torch.zeros(4, 3, 1, 1), {name: target}, torch.arange(4))
    found = calibrate(lambda image: Outputs({name: wrong}, {}, ()), {name: task}, [batch], 4)
    assert found[name] == pytest.approx(factor, rel=0.06)
    distribution = task.distribution
    assert distribution is not None
    assert distribution.nll(wrong, target, found[name]).mean() < distribution.nll(wrong, target, 1.0).mean()


def test_calibration_changes_no_class_and_leaves_out_tasks_without_a_label() -> None:
    raw, target = raw_and_target("semseg", 300)
    nothing = target._replace(valid=torch.zeros_like(target.valid))
    batch = Batch(torch.zeros(4, 3, 1, 1), {"a": target, "b": nothing}, torch.arange(4))
    tasks = {"a": SURE["semseg"], "b": SURE["semseg"]}
    found = calibrate(lambda image: Outputs({"a": 5 * raw, "b": raw}, {}, ()), tasks, [batch], 4)
    assert found.keys() == {"a"} and found["a"] > 2
    assert torch.equal((5 * raw / found["a"]).argmax(1), raw.argmax(1))


def test_large_images_are_measured_on_every_second_row_and_column() -> None:
    torch.manual_seed(0)
    task = SURE["semseg"]
    raw, value, valid = torch.randn(2, 7, 64, 66), torch.randint(7, (2, 64, 66)), torch.rand(2, 64, 66) < 0.8
    found = []
    for part in (raw, raw[..., ::2, ::2]):  # the second one is small enough to be used completely
        step = 1 if part is raw else 2
        target = Target(value[:, ::step, ::step], valid[:, ::step, ::step])
        evaluator = ConfidenceEvaluator({"a": task}, {"a": 2.0}, torch.device("cpu"))
        evaluator.update(Batch(torch.zeros(2, 3, 1, 1), {"a": target}, torch.arange(2)), Outputs({"a": part}, {}, ()))
        found.append(evaluator.added_to(Evaluation({}, {}, {}, 2, 0.0)))
    assert found[0].metrics == found[1].metrics and found[0].metrics.keys() == found[0].specs.keys()
    assert sum(found[0].plots["a/reliability"]["pixels"]) == valid[:, ::2, ::2].sum()


def test_calibration_takes_pixels_of_images_with_more_than_float32_can_count() -> None:
    size = (1, 4097, 4096)
    target = Target(torch.zeros(size, dtype=torch.int8), torch.ones(size, dtype=torch.bool))
    ((raw, value),) = calibration._pixels(torch.zeros(1, 1, *size[1:], dtype=torch.int8), target, 5)
    assert raw.shape == (1, 1, 1, 5) and value.shape == (1, 1, 5)


def test_calibration_takes_some_pixels_of_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "PIXELS", 40)
    task, (raw, target) = SURE["semseg"], raw_and_target("semseg", 300)
    taken: list[int] = []

    def nll(self: Categorical, raw: Tensor, target: Target, spread: float = 1.0) -> Tensor:
        taken.append(raw.shape[-1])
        return torch.full((1, 1, raw.shape[-1]), (spread - 2) ** 2)

    monkeypatch.setattr(Categorical, "nll", nll)
    batch = Batch(torch.zeros(4, 3, 1, 1), {"a": target}, torch.arange(4))
    found = calibrate(lambda image: Outputs({"a": raw}, {}, ()), {"a": task}, [batch], 4)
    assert set(taken) == {40} and found["a"] == pytest.approx(2, rel=1e-3)


def test_the_least_of_a_function_within_bounds() -> None:
    assert least(lambda s: math.log(s / 3) ** 2) == pytest.approx(3, rel=2e-4)
    assert least(lambda s: s) == pytest.approx(1 / 20, rel=1e-3) and least(lambda s: -s) == pytest.approx(20, rel=1e-3)
    assert least(lambda s: 0.0) == 1


def test_measures_of_classes_by_hand() -> None:
    logits = torch.tensor([0.7, 0.2, 0.1]).log().view(1, 3, 1, 1)
    entropy = -sum(p * math.log(p) for p in (0.7, 0.2, 0.1))
    expected = {"probability": 0.7, "margin": 0.5, "entropy": 1 - entropy / math.log(3)}
    for measure, value in expected.items():
        task = SemanticSegmentation(confidence=measure)  # type: ignore[arg-type]
        estimate = task.distribution.estimate(logits)
        assert estimate.confidence.item() == pytest.approx(value, rel=1e-5)
        assert estimate.uncertainty.item() == pytest.approx(1 - value, rel=1e-5)
        assert estimate.probability.item() == pytest.approx(0.7, rel=1e-5)


def test_tasks_without_a_width_say_nothing_and_have_the_channels_they_had() -> None:
    assert [task.channels for task in (Depth(), SurfaceNormals(), Albedo())] == [1, 3, 3]
    assert [SURE[name].channels for name in ("depth", "normals", "albedo")] == [2, 4, 4]
    for task in (Depth(), SurfaceNormals(), Albedo()):
        assert task.confidence_of(torch.zeros(1, task.channels, 2, 2)) is None and not task.measures_confidence


@every_task
def test_flips_and_means_keep_the_width(name: str) -> None:
    task, (raw, _) = SURE[name], raw_and_target(name, 40)
    confidence = task.confidence_of(raw)
    assert confidence is not None
    flipped = task.confidence_of(task.hflip(raw))
    assert flipped is not None
    torch.testing.assert_close(flipped, confidence.flip(-1))
    merged = task.confidence_of(task.merge([raw, raw], "mean"))
    assert merged is not None
    torch.testing.assert_close(merged, confidence, rtol=1e-4, atol=1e-4)


# -- runs --------------------------------------------------------------------------------------------------------------

TASKS: dict[str, Task] = {
    "semseg": SemanticSegmentation(confidence="entropy"),
    "depth": Depth(loss=Laplace()),
    "normals": SurfaceNormals(loss=Angular()),
}


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("run") / "sure"
    runs.train(replace(tiny(store), tasks=TASKS, epochs=2), path, quiet=True)
    yield path


def test_a_run_calibrates_and_measures(run: Path, store: Path) -> None:
    result, kept = Result.load(run / "result.json"), Calibration.load(RunFolder(run).calibration)
    assert kept.split == "val" and kept.images == 6 and kept.spreads.keys() == TASKS.keys()
    for task in TASKS:
        found = {key: result.metrics[f"{task}/{key}"] for key in ("ece", "nll", "ause", "ause_random")}
        assert 0 <= found["ece"] <= 100 and found["ause"] >= 0
        assert found["nll"] <= result.metrics[f"{task}/nll_uncalibrated"] + 1e-6
        assert {"reliability", "reliability_uncalibrated", "sparsification"} <= {
            key.partition("/")[2] for key in result.plots if key.startswith(f"{task}/")
        }
    with np.load(RunFolder(run).samples()) as samples:
        assert samples["depth/confidence"].dtype == np.float16 and samples["depth/confidence"].shape[0] == 6


def test_a_calibration_is_kept_while_the_weights_are_the_same(run: Path) -> None:
    folder = RunFolder(run)
    before = folder.calibration.read_text()
    changed = replace(Calibration.load(folder.calibration), spreads=dict.fromkeys(TASKS, 2.0))
    try:
        changed.save(folder.calibration)
        runs.evaluate(run, split="train", quiet=True)
        assert Calibration.load(folder.calibration) == changed
        replace(changed, weights="others").save(folder.calibration)
        runs.evaluate(run, split="train", quiet=True)
        assert folder.calibration.read_text() == before  # calibrated again on val, whatever split is evaluated
    finally:
        folder.calibration.write_text(before)


def test_a_calibration_of_earlier_weights_corrects_nothing(run: Path) -> None:
    """As after ``evaluate --confidence`` on a run that was then trained for more epochs."""
    folder = RunFolder(run)
    before = folder.calibration.read_text()
    try:
        replace(Calibration.load(folder.calibration), weights="others").save(folder.calibration)
        predictor = taskscape.load(run, confidence=True, device="cpu")
        assert predictor.spreads == dict.fromkeys(TASKS, 1.0)
        assert not any(view.calibrated for view in predictor.confidence_views.values())
        assert NetworkLabeler(run, device="cpu").spreads == {}
    finally:
        folder.calibration.write_text(before)


def test_an_interrupted_run_ends_with_the_same_calibration(run: Path, store: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), tasks=TASKS, epochs=1)
    runs.train(experiment, tmp_path / "again", quiet=True)
    runs.train(replace(experiment, epochs=2), tmp_path / "again", resume=True, quiet=True)
    assert RunFolder(tmp_path / "again").calibration.read_text() == RunFolder(run).calibration.read_text()
    ours, theirs = (Result.load(RunFolder(path).result()).metrics for path in (run, tmp_path / "again"))
    assert ours == theirs


def test_classes_say_how_sure_they_are_when_asked(store: Path, tmp_path: Path) -> None:
    runs.train(replace(tiny(store), epochs=1), tmp_path / "plain", quiet=True)
    assert not RunFolder(tmp_path / "plain").calibration.exists()
    assert not any("ece" in name for name in Result.load(tmp_path / "plain" / "result.json").specs)
    metrics = runs.evaluate(tmp_path / "plain", confidence=True, quiet=True).metrics
    assert "semseg/ece" in metrics and "depth/ece" not in metrics


def test_a_damaged_calibration_names_the_file_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="evaluate the run again"):
        Calibration.load(path)
    Calibration({"depth": -1.0}, "val", 1, "", "").save(path)
    with pytest.raises(ValueError, match=r"spread of depth is not positive"):
        Calibration.load(path)


# -- predictions -------------------------------------------------------------------------------------------------------


def test_predictions_have_and_write_their_confidence(run: Path, tmp_path: Path) -> None:
    image = blocks(np.random.default_rng(5), 2).values["image"]
    assert not taskscape.load(run, device="cpu").predict(image).confidence
    prediction = taskscape.load(run, confidence=True, device="cpu").predict(image)
    assert prediction.confidence.keys() == TASKS.keys()
    for values in prediction.confidence.values():
        assert values.dtype == np.float32 and values.shape == image.shape[:2]
        assert values.min() >= 0 and values.max() <= 1
    written = {path.name for path in prediction.save(tmp_path)}
    assert {"image.depth.confidence.png", "image.depth.confidence-view.png"} <= written
    with Image.open(tmp_path / "image.depth.confidence.png") as file:
        stored = np.asarray(file)
    np.testing.assert_allclose(stored / 65535, prediction.confidence["depth"], atol=1e-5)
    about = json.loads((tmp_path / "metadata.json").read_text())["depth"]["confidence_file"]
    assert about["calibrated"] and "1.25" in about["of"] and about["confidence"] == "gray / 65535"
    wider = prediction.side_by_side().width, replace(prediction, confidence={}).side_by_side().width
    assert wider[0] > wider[1]


def test_files_of_confidence_from_the_command_line(run: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    Image.fromarray(blocks(np.random.default_rng(6), 2).values["image"]).save(image)
    main(["predict", str(run), str(image), "--out", str(tmp_path / "out"), "--confidence", "--device", "cpu"])
    assert (tmp_path / "out" / "image.normals.confidence.png").is_file()
    assert json.loads((tmp_path / "out" / "metadata.json").read_text())["semseg"]["confidence_file"]["calibrated"]


def test_networks_that_say_nothing_are_refused(store: Path, tmp_path: Path) -> None:
    tasks = {"depth": Depth(), "normals": SurfaceNormals()}
    runs.train(replace(tiny(store), tasks=tasks, epochs=1), tmp_path / "silent", quiet=True)
    with pytest.raises(ValueError, match=r"none of depth, normals predicts a confidence: .*laplace.*angular"):
        taskscape.load(tmp_path / "silent", confidence=True, device="cpu")


# -- the report --------------------------------------------------------------------------------------------------------


def test_the_report_draws_confidence(run: Path) -> None:
    page = write_report(run).read_text("utf-8")
    for words in (
        "Reliability, depth",
        "Sparsification, surface normals",
        "before calibration",
        "best order",
        "depth, confidence",
    ):
        assert words in page
    assert "δ &lt; 1.25" in page and "Calibration error (ECE)" in page


@pytest.mark.parametrize(
    ("plot", "changed"),
    [
        ("reliability", {"right": "<script>"}),
        ("reliability", {"probability": [0.5]}),
        ("sparsification", {"error": None}),
        ("sparsification", {"oracle": [None] * 100}),
        ("sparsification", {"removed": ["x"] * 100}),
    ],
)
def test_damaged_plots_of_confidence_are_refused(run: Path, plot: str, changed: dict[str, Any]) -> None:
    result = Result.load(run / "result.json")
    plots = dict(result.plots)
    check_plots(plots, result.tasks)
    with pytest.raises(ValueError, match=f"depth/{plot}"):
        check_plots(plots | {f"depth/{plot}": {**plots[f"depth/{plot}"], **changed}}, result.tasks)


# -- networks and objectives -------------------------------------------------------------------------------------------


def test_another_loss_than_the_task_s_own_leaves_the_width_alone() -> None:
    """Cross-task consistency uses its own losses."""
    for name, loss in (("depth", L1()), ("normals", Cosine()), ("albedo", L1())):
        task, (raw, target) = SURE[name], raw_and_target(name, 30)
        other: Any = replace(task, loss=loss)  # type: ignore[type-var]
        expected = other.compute_loss(raw[:, : other.channels], target)
        assert torch.equal(other.compute_loss(raw, target).sum, expected.sum)
        assert other.compute_consistency(raw, raw, target.valid).sum.isfinite()
        own = task.compute_consistency(raw, raw, target.valid)
        assert own.sum.isfinite() and own.sum >= 0


def test_networks_that_exchange_predictions_take_widths(store: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), tasks=TASKS, epochs=1, objective=CrossTaskConsistency())
    experiment = replace(experiment, network=XTaskConfig(encoder="resnet10t"), weighting=GeometricConfig())
    result = runs.train(experiment, tmp_path / "xtask", quiet=True)
    assert math.isfinite(result.metrics["depth/ece"])


@pytest.mark.parametrize("bins", [None, ("depth",)])
def test_bins_have_no_width(bins: tuple[str, ...] | None) -> None:
    tasks = {"semseg": SemanticSegmentation(CITYSCAPES_7), "depth": Depth("meters", mean=0.0, std=1.0, loss=Laplace())}
    with pytest.raises(ValueError, match=r"'depth' by bins.*loss laplace"):
        AdaptiveDepthConfig(bin_tasks=bins).check(tasks)
    AdaptiveDepthConfig(bin_tasks=()).check(tasks)
