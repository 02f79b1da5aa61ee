"""Objectives: one loss per task, supervised or with cross-task consistency."""

import pytest
import torch
import torch.nn.functional as F

from taskscape.batch import Target
from taskscape.losses import L1, MSE, SSIM, CrossEntropy, CrossEntropyJaccard, KLDivergence, LogL1, SILog, SmoothL1
from taskscape.modalities.class_sets import CITYSCAPES_7
from taskscape.models import build
from taskscape.objectives import OBJECTIVES, CrossTaskConsistency, Objective, Supervised, tasks_with_labels
from taskscape.serialization import dump, offered, parse
from taskscape.tasks import Albedo, Boundaries, Depth, SemanticSegmentation, SurfaceNormals, Task

TASKS: dict[str, Task] = {"semseg": SemanticSegmentation(CITYSCAPES_7), "depth": Depth(representation="inverse")}
THREE: dict[str, Task] = {**TASKS, "normals": SurfaceNormals()}


NOWHERE = torch.zeros(2, 8, 9, dtype=torch.bool)
EMPTY = {
    Depth: Target(torch.zeros(2, 1, 8, 9), NOWHERE),
    SurfaceNormals: Target(torch.zeros(2, 3, 8, 9), NOWHERE),
    Albedo: Target(torch.zeros(2, 3, 8, 9), NOWHERE),
    SemanticSegmentation: Target(torch.full((2, 8, 9), 255), NOWHERE),
    Boundaries: Target(torch.full((2, 1, 8, 9), 255.0), NOWHERE),
}


def example(tasks=TASKS):
    """Return direct and transferred predictions and targets of a batch, in float64."""
    generator = torch.Generator().manual_seed(0)

    def maps(channels):
        return torch.rand(2, channels, 8, 9, generator=generator, dtype=torch.float64).requires_grad_()

    channels = {"semseg": 7, "depth": 1, "normals": 3}
    final = {task: maps(channels[task]) for task in tasks}
    transferred = {task: maps(channels[task]) for task in tasks}
    values = {
        "semseg": torch.randint(0, 7, (2, 8, 9), generator=generator),
        "depth": maps(1).detach() * 50 + 2,
        "normals": F.normalize(maps(3).detach()),
    }
    valid = {task: torch.rand(2, 8, 9, generator=generator) < 0.8 for task in tasks}
    return final, transferred, {task: Target(values[task], valid[task]) for task in tasks}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t._replace(value=t.value.squeeze(1)),
            r"target of depth is torch.float64 \(2, 8, 9\).*unsqueeze\(1\)",
        ),
        (lambda t: t._replace(value=t.value[..., ::2]), r"target of depth is torch.float64 \(2, 1, 8, 5\)"),
        (lambda t: t._replace(valid=t.valid.unsqueeze(1)), r"valid of depth is torch.bool \(2, 1, 8, 9\)"),
        (lambda t: t._replace(valid=t.valid.long()), "valid of depth is torch.int64"),
        (lambda t: t.value, "target of depth is a Tensor: give a taskscape.batch.Target"),
        (lambda t: None, "target of depth is missing"),
    ],
)
def test_a_target_that_would_be_broadcast_is_refused(change, message):
    """Depth without the axis of its channel would be compared with the predictions of all images of the batch."""
    final, _, targets = example()
    targets["depth"] = change(targets["depth"])
    with pytest.raises(ValueError, match=message):
        Supervised()(TASKS, final, {}, targets)


@pytest.mark.parametrize(
    ("tasks", "raw", "value", "message"),
    [
        (Depth(), (1,), torch.rand(2, 3, 8, 9) + 1, r"target of it is \(2, 3, 8, 9\): Depth needs 1 channel$"),
        (SurfaceNormals(), (3,), torch.ones(2, 1, 8, 9), r"target of it is .*: SurfaceNormals needs 3 channels"),
        (Depth(), (3,), torch.ones(2, 1, 8, 9), r"output of it is \(2, 3, 8, 9\): Depth needs 1 channel$"),
        (Albedo(), (1,), torch.ones(2, 3, 8, 9), r"output of it is .*: Albedo needs 3 channels"),
        (SemanticSegmentation(CITYSCAPES_7), (7,), torch.ones(2, 1, 8, 9).long(), r"class ids are \(B, H, W\)"),
        (SemanticSegmentation(CITYSCAPES_7), (7,), torch.full((2, 8, 9), 255), r"ids 255 … 255 .*7 channels"),
        (SemanticSegmentation(CITYSCAPES_7, loss=CrossEntropyJaccard()), (7,), torch.full((2, 8, 9), -1), "ids -1 …"),
        (Depth(), (1,), torch.zeros(2, 1, 8, 9), r"not above 0 at a valid pixel: mask .*meters\[:, 0\] > 0"),
        (Boundaries(), (1,), torch.full((2, 1, 8, 9), 255.0), "not in 0 … 1 at a valid pixel: divide"),
    ],
)
def test_impossible_targets_are_refused(tasks, raw, value, message):
    """They were broadcast over channels, clamped, or ended in an error of torch."""
    everywhere = torch.ones(2, 8, 9, dtype=torch.bool)
    with pytest.raises(ValueError, match=message):
        Supervised()({"it": tasks}, {"it": torch.rand(2, *raw, 8, 9)}, {}, {"it": Target(value, everywhere)})
    losses = Supervised()({"it": tasks}, {"it": torch.rand(2, tasks.channels, 8, 9)}, {}, {"it": EMPTY[type(tasks)]})
    assert losses["it"] == 0  # what is masked may be anything


def test_a_task_without_an_output_is_named():
    final, _, targets = example()
    with pytest.raises(ValueError, match="no output of the network for the task depth; there is semseg"):
        Supervised()(TASKS, {"semseg": final["semseg"]}, {}, targets)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_integer_targets_are_compared_as_numbers(dtype):
    """Class ids of other types than int64 were refused by torch; squares of 8-bit normals overflowed."""
    final, _, targets = example(THREE)
    scaled = {
        "semseg": targets["semseg"],
        "depth": targets["depth"]._replace(value=targets["depth"].value.round()),
        "normals": targets["normals"]._replace(value=(targets["normals"].value * 100).round()),
    }
    narrow = {name: target._replace(value=target.value.to(dtype)) for name, target in scaled.items()}
    expected, actual = (Supervised()(THREE, final, {}, given) for given in (scaled, narrow))
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=0)


def test_depth_in_half_precision_is_encoded_in_float32():
    final, _, targets = example()
    value = targets["depth"].value.half()
    half, wide = ({"depth": targets["depth"]._replace(value=x)} for x in (value, value.float()))
    depth = {"depth": TASKS["depth"]}
    assert Supervised()(depth, final, {}, half) == Supervised()(depth, final, {}, wide)


def own_loss(task, raw, target):
    return task.loss.mean(task.compute_loss(raw, target))


def test_objectives_are_offered_by_name():
    assert offered(Objective) == {kind.name: kind for kind in OBJECTIVES}


def test_a_task_without_a_valid_pixel_is_not_labeled():
    *_, targets = example()
    nowhere = torch.zeros_like(targets["depth"].valid)
    assert tasks_with_labels(targets) == ["semseg", "depth"]
    assert tasks_with_labels({**targets, "depth": Target(targets["depth"].value, nowhere)}) == ["semseg"]


def test_a_task_loss_is_the_mean_over_its_predictions():
    final, initial, targets = example()
    losses = Supervised()(TASKS, final, {"initial": {"semseg": initial["semseg"]}}, targets)
    each = [own_loss(TASKS["semseg"], raw["semseg"], targets["semseg"]) for raw in (final, initial)]
    torch.testing.assert_close(losses["semseg"], sum(each) / 2)
    torch.testing.assert_close(losses["depth"], own_loss(TASKS["depth"], final["depth"], targets["depth"]))


# -- cross-task consistency --------------------------------------------------------------------------------------------


def smoothed(label_smoothing):
    """Return cross-entropy as published: the rest of the label is spread over the other classes."""

    def loss(raw, label):
        others = torch.full_like(raw, label_smoothing / 6)
        distribution = others.scatter(1, label.unsqueeze(1), 1 - label_smoothing)
        return -(distribution * raw.log_softmax(1)).sum(1)

    return loss


DIRECT_DEPTH = {
    L1(): lambda x, y: (x - y).abs(),
    MSE(): lambda x, y: (x - y) ** 2,
    LogL1(): lambda x, y: (1 + (x - y).abs()).log(),
    SmoothL1(): lambda x, y: torch.where((x - y).abs() < 1, (x - y) ** 2 / 2, (x - y).abs() - 0.5),
}


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("direct_loss", DIRECT_DEPTH, ids=lambda loss: loss.name)
def test_published_losses_by_hand(direct_loss, smoothing):
    tasks = {"semseg": TASKS["semseg"], "depth": Depth(representation="inverse", loss=direct_loss)}
    final, transferred, targets = example()
    objective = CrossTaskConsistency(
        weights={"semseg": 0.2, "depth": 0.3},
        losses={"semseg": CrossEntropy(label_smoothing=smoothing * 7 / 6), "depth": L1()},
    )
    losses = objective(tasks, final, {"transferred": transferred}, targets)

    classes, near = targets["semseg"], targets["depth"]
    segmentation = F.cross_entropy(final["semseg"], classes.value, reduction="none")[classes.valid].mean()
    depth = DIRECT_DEPTH[direct_loss](final["depth"], 1 / near.value)[:, 0][near.valid].mean()
    transferred_depth = (transferred["depth"] - final["depth"].detach()).abs()[:, 0][near.valid].mean()
    labels = final["semseg"].argmax(1)
    transferred_segmentation = smoothed(smoothing)(transferred["semseg"], labels)[classes.valid].mean()
    expected = {
        "semseg": 0.8 * segmentation + 0.2 * transferred_depth,
        "depth": 0.7 * depth + 0.3 * transferred_segmentation,
    }
    assert losses.keys() == expected.keys()
    everything = [*final.values(), *transferred.values()]
    for task in tasks:
        torch.testing.assert_close(losses[task], expected[task], rtol=1e-12, atol=1e-12)
        slopes, wanted = (
            torch.autograd.grad(loss[task], everything, retain_graph=True, allow_unused=True, materialize_grads=True)
            for loss in (losses, expected)
        )
        torch.testing.assert_close(slopes, wanted, rtol=1e-12, atol=1e-12)


def test_predictions_that_are_targets_are_held_fixed():
    final, transferred, targets = example()
    losses = CrossTaskConsistency(weight=1.0)(TASKS, final, {"transferred": transferred}, targets)
    gradients = torch.autograd.grad(
        sum(losses.values()), [*final.values(), *transferred.values()], allow_unused=True, materialize_grads=True
    )
    assert [bool(gradient.any()) for gradient in gradients] == [False, False, True, True]


def test_a_network_learns_through_what_its_transfers_read():
    torch.manual_seed(0)
    xtask = build("xtask", {"semseg": 7, "depth": 1}, encoder="resnet18")
    outputs = xtask(torch.rand(2, 3, 64, 64))
    valid = torch.ones(2, 64, 64, dtype=torch.bool)
    targets = {
        "semseg": Target(torch.randint(7, (2, 64, 64)), valid),
        "depth": Target(torch.rand(2, 1, 64, 64) + 1, valid),
    }
    losses = CrossTaskConsistency(weight=1.0)(TASKS, outputs.final, outputs.auxiliary, targets)
    slope = torch.autograd.grad(losses["semseg"], outputs.final["semseg"])[0]
    assert slope.any()  # of the depth that segmentation is transferred to


@pytest.mark.parametrize("loss", [KLDivergence(0.2), SSIM()], ids=lambda loss: loss.name)
def test_the_losses_of_transferred_predictions_are_chosen(loss):
    final, transferred, targets = example()
    to, source = ("depth", "semseg") if isinstance(loss, SSIM) else ("semseg", "depth")
    losses = CrossTaskConsistency(weight=1.0, losses={to: loss})(TASKS, final, {"transferred": transferred}, targets)
    direct = final["depth"] if isinstance(loss, SSIM) else final["semseg"].argmax(1)
    expected = loss.mean(loss.term(transferred[to], Target(direct, targets[to].valid)))
    torch.testing.assert_close(losses[source], expected)


def test_a_loss_of_meters_compares_meters():
    tasks = {**TASKS, "depth": Depth("log", loss=SILog())}
    final, transferred, targets = example()
    losses = CrossTaskConsistency(weight=1.0)(tasks, final, {"transferred": transferred}, targets)
    log_meters = [0.8661 * raw["depth"] + 2.8936 for raw in (final, transferred)]
    errors = [
        (a - b)[valid] for a, b, valid in zip(*(x[:, 0] for x in log_meters), targets["depth"].valid, strict=True)
    ]
    spread = torch.stack([e.var(correction=0) + 0.15 * e.mean() ** 2 for e in errors]).mean()
    torch.testing.assert_close(losses["semseg"], (spread + 1e-5).sqrt())


def test_against_the_truth():
    final, transferred, targets = example()
    objective = CrossTaskConsistency(weights={"semseg": 0.2, "depth": 0.3}, target="truth")
    losses = objective(TASKS, final, {"transferred": transferred}, targets)
    own = {task: own_loss(TASKS[task], final[task], targets[task]) for task in TASKS}
    other = {task: own_loss(TASKS[task], transferred[task], targets[task]) for task in TASKS}
    torch.testing.assert_close(losses["semseg"], 0.8 * own["semseg"] + 0.2 * other["depth"])
    torch.testing.assert_close(losses["depth"], 0.7 * own["depth"] + 0.3 * other["semseg"])


def test_three_tasks_agree_around_the_ring():
    final, transferred, targets = example(THREE)
    losses = CrossTaskConsistency(weight=1.0)(THREE, final, {"transferred": transferred}, targets)
    directions = Target(F.normalize(final["normals"]), targets["normals"].valid)
    cosine, entropy = THREE["normals"].loss, CrossEntropy()
    torch.testing.assert_close(losses["depth"], cosine.mean(cosine.term(transferred["normals"], directions)))
    labels = Target(final["semseg"].argmax(1), targets["semseg"].valid)
    torch.testing.assert_close(losses["normals"], entropy.mean(entropy.term(transferred["semseg"], labels)))


def test_a_task_that_is_absent_leaves_the_others_their_own_loss():
    final, transferred, targets = example()
    present = {"semseg": TASKS["semseg"]}
    losses = CrossTaskConsistency()(present, final, {"transferred": transferred}, targets)
    torch.testing.assert_close(losses, {"semseg": own_loss(TASKS["semseg"], final["semseg"], targets["semseg"])})


def test_in_evaluation_each_task_has_its_own_loss():
    final, _, targets = example()
    losses = CrossTaskConsistency()(TASKS, final, {}, targets)
    torch.testing.assert_close(losses, {task: own_loss(TASKS[task], final[task], targets[task]) for task in TASKS})


def test_names_of_tasks_are_checked():
    final, transferred, targets = example()
    for settings in ({"weights": {"semsge": 0.1}}, {"losses": {"semsge": L1()}}):
        with pytest.raises(ValueError, match="no task 'semsge'; did you mean semseg"):
            CrossTaskConsistency(**settings)(TASKS, final, {"transferred": transferred}, targets)
    for settings in ({"weight": 1.5}, {"weights": {"depth": -0.1}}):
        with pytest.raises(ValueError, match="at least 0 and at most 1"):
            CrossTaskConsistency(**settings)


def test_settings_are_saved_by_task():
    objective = CrossTaskConsistency(weights={"depth": 0.1}, losses={"depth": SSIM(), "parts": KLDivergence(0.2)})
    assert parse(dump(objective), "experiment", Objective) == objective
