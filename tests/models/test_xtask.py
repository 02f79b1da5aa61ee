"""The cross-task consistency network and its objective."""

import math

import pytest
import torch
import torch.nn.functional as F

from taskscape.batch import Target
from taskscape.objectives.consistency import SSIM, CrossTaskConsistency, KLDivergence, consistency_energy
from taskscape.modalities.class_sets import CITYSCAPES_7
from taskscape.losses import L1, MSE, CrossEntropy, LogL1, SmoothL1
from taskscape.models import build
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals


def on_paper(outputs, **options):
    """A network whose tensors have shapes but no values."""
    with torch.device("meta"):
        return build("xtask", outputs, **options)


def count(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("depth", "classes", "options", "parameters"),
    [
        (34, 7, {}, 31_553_344),
        (34, 7, {"batch_norm": True}, 31_558_976),
        (34, 7, {"wide": True}, 42_841_664),
        (34, 7, {"wide": True, "batch_norm": True}, 42_852_928),
        (34, 19, {}, 31_562_560),
        (34, 19, {"batch_norm": True}, 31_568_192),
        (34, 19, {"wide": True}, 42_858_560),
        (34, 19, {"wide": True, "batch_norm": True}, 42_869_824),
        (18, 7, {}, 21_445_184),
        (18, 7, {"wide": True, "batch_norm": True}, 32_744_768),
        (50, 7, {}, 40_412_224),
        (50, 7, {"wide": True, "batch_norm": True}, 51_711_808),
    ],
)
def test_published_parameters(depth, classes, options, parameters):
    assert count(on_paper({"semseg": classes, "depth": 1}, encoder=f"resnet{depth}", **options)) == parameters


def test_published_parameters_of_a_single_task():
    assert count(on_paper({"semseg": 7})) == 24_535_360
    assert count(on_paper({"depth": 1})) == 24_534_592


def network(outputs=None, **options):
    torch.manual_seed(0)
    return build("xtask", outputs or {"semseg": 7, "depth": 1}, encoder="resnet18", **options)


def test_transfers_in_training_alone():
    xtask, image = network(), torch.rand(2, 3, 64, 64)
    outputs = xtask(image)
    assert {task: raw.shape[1] for task, raw in outputs.auxiliary["transferred"].items()} == {"semseg": 7, "depth": 1}
    outputs = xtask.eval()(image)
    assert outputs.auxiliary == {}
    assert xtask.transfer(outputs.final)["depth"].shape == (2, 1, 64, 64)


def test_three_tasks_form_a_ring_and_one_is_left_alone():
    xtask = network({"semseg": 7, "depth": 1, "normals": 3})
    shapes = {source: (n.down[0][0].in_channels, n.head.out_channels) for source, n in xtask.transfers.items()}
    assert shapes == {"semseg": (7, 1), "depth": (1, 3), "normals": (3, 7)}
    assert network({"depth": 1})(torch.rand(2, 3, 64, 64)).auxiliary == {}


def test_class_scores_are_transferred_as_log_probabilities():
    xtask = network().double()
    final = {"semseg": torch.randn(1, 7, 16, 16).double(), "depth": torch.randn(1, 1, 16, 16).double()}
    shifted = {task: raw + 3 for task, raw in final.items()}
    before, after = xtask.transfer(final), xtask.transfer(shifted)
    torch.testing.assert_close(before["depth"], after["depth"])
    assert not torch.allclose(before["semseg"], after["semseg"])
    assert not torch.allclose(network(classes=()).double().transfer(final)["depth"], before["depth"])


def test_a_transfer_reads_a_prediction_with_its_gradient():
    outputs = network()(torch.rand(2, 3, 64, 64))
    gradient = torch.autograd.grad(outputs.auxiliary["transferred"]["depth"].sum(), outputs.final["semseg"])[0]
    assert gradient.abs().sum() > 0


TASKS = {"semseg": SemanticSegmentation(CITYSCAPES_7), "depth": Depth(representation="inverse")}


def example(tasks=TASKS):
    """Direct and transferred predictions and targets of a batch, in float64."""
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


def smoothed(label_smoothing):
    """Cross-entropy as published: the rest of the label is spread over the other classes."""

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
def test_losses_by_hand(direct_loss, smoothing):
    tasks = {"semseg": TASKS["semseg"], "depth": Depth(representation="inverse", loss=direct_loss)}
    final, transferred, targets = example()
    objective = CrossTaskConsistency(
        lambda1=0.2, lambda2=0.3, segmentation=CrossEntropy(label_smoothing=smoothing * 7 / 6)
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
    losses = CrossTaskConsistency(lambda1=1.0, lambda2=1.0)(TASKS, final, {"transferred": transferred}, targets)
    gradients = torch.autograd.grad(
        sum(losses.values()), [*final.values(), *transferred.values()], allow_unused=True, materialize_grads=True
    )
    assert [bool(gradient.any()) for gradient in gradients] == [False, False, True, True]


def test_kl_divergence_by_hand():
    raw, label = torch.randn(2, 7, 4, 5, dtype=torch.float64), torch.randint(0, 7, (2, 4, 5))
    target = Target(label, torch.rand(2, 4, 5) < 0.7)
    for smoothing in (0.0, 0.3):
        p = F.one_hot(label, 7).movedim(-1, 1).double() * (1 - smoothing) + smoothing / 7
        divergence = F.kl_div(raw.log_softmax(1), p, reduction="none").sum(1)[target.valid].mean()
        torch.testing.assert_close(KLDivergence(smoothing)(raw, target), divergence, rtol=1e-12, atol=1e-12)


def test_ssim_by_hand():
    torch.manual_seed(0)
    x, y = torch.rand(2, 2, 2, 6, 7, dtype=torch.float64)
    valid = torch.rand(2, 6, 7) < 0.95
    errors = []
    for image in range(2):
        for row in range(4):
            for column in range(5):
                window = (slice(row, row + 3), slice(column, column + 3))
                if valid[image][window].all():
                    for channel in range(2):
                        a, b = x[image, channel][window], y[image, channel][window]
                        covariance = ((a - a.mean()) * (b - b.mean())).mean()
                        ssim = (2 * a.mean() * b.mean() + 1e-4) * (2 * covariance + 9e-4)
                        ssim /= (a.mean() ** 2 + b.mean() ** 2 + 1e-4) * (
                            a.var(correction=0) + b.var(correction=0) + 9e-4
                        )
                        errors.append((1 - ssim) / 2)
    assert 0 < len(errors) < 2 * 2 * 4 * 5
    torch.testing.assert_close(SSIM()(x, Target(y, valid)), torch.stack(errors).mean(), rtol=1e-12, atol=1e-12)


def test_ssim_without_a_whole_window():
    x = torch.rand(1, 1, 6, 6, requires_grad=True)
    valid = torch.zeros(1, 6, 6, dtype=torch.bool)
    valid[0, 0, 0] = True
    loss = SSIM()(x, Target(torch.ones(1, 1, 6, 6).masked_fill(~valid, math.inf), valid))
    loss.backward()
    assert loss == 0 and not x.grad.any()


def test_shares_of_a_loss_add_up(monkeypatch):
    torch.manual_seed(0)
    x, y, valid = torch.rand(3, 1, 6, 7), torch.rand(3, 1, 6, 7), torch.rand(3, 6, 7) < 0.95
    counts = []
    monkeypatch.setattr("taskscape.objectives.consistency.total", lambda n: counts.append(n) or n)
    whole = SSIM()(x, Target(y, valid))
    monkeypatch.setattr("taskscape.objectives.consistency.total", lambda n: counts[0])
    parts = [SSIM()(x[part], Target(y[part], valid[part])) for part in (slice(2), slice(2, 3), slice(3, None))]
    torch.testing.assert_close(sum(parts), whole)


@pytest.mark.parametrize(
    ("options", "loss"),
    [({"segmentation": KLDivergence(0.2)}, KLDivergence(0.2)), ({"depth": SSIM()}, SSIM())],
    ids=["kl", "ssim"],
)
def test_the_losses_of_transferred_predictions_are_chosen(options, loss):
    final, transferred, targets = example()
    losses = CrossTaskConsistency(lambda1=1.0, lambda2=1.0, **options)(
        TASKS, final, {"transferred": transferred}, targets
    )
    if isinstance(loss, SSIM):
        expected = loss(transferred["depth"], Target(final["depth"], targets["depth"].valid))
        torch.testing.assert_close(losses["semseg"], expected)
    else:
        expected = loss(transferred["semseg"], Target(final["semseg"].argmax(1), targets["semseg"].valid))
        torch.testing.assert_close(losses["depth"], expected)


def test_against_the_truth():
    final, transferred, targets = example()
    losses = CrossTaskConsistency(0.2, 0.3, "truth")(TASKS, final, {"transferred": transferred}, targets)
    own = {task: TASKS[task].loss_of(final[task], targets[task]) for task in TASKS}
    other = {task: TASKS[task].loss_of(transferred[task], targets[task]) for task in TASKS}
    torch.testing.assert_close(losses["semseg"], 0.8 * own["semseg"] + 0.2 * other["depth"])
    torch.testing.assert_close(losses["depth"], 0.7 * own["depth"] + 0.3 * other["semseg"])


def test_three_tasks_agree_around_the_ring():
    tasks = {**TASKS, "normals": SurfaceNormals()}
    final, transferred, targets = example(tasks)
    losses = CrossTaskConsistency(1.0, 1.0)(tasks, final, {"transferred": transferred}, targets)
    directions = Target(F.normalize(final["normals"]), targets["normals"].valid)
    torch.testing.assert_close(losses["depth"], tasks["normals"].loss(transferred["normals"], directions))
    labels = Target(final["semseg"].argmax(1), targets["semseg"].valid)
    torch.testing.assert_close(losses["normals"], CrossEntropy()(transferred["semseg"], labels))


def test_a_task_that_is_absent_leaves_the_others_their_own_loss():
    final, transferred, targets = example()
    present = {"semseg": TASKS["semseg"]}
    losses = CrossTaskConsistency()(present, final, {"transferred": transferred}, targets)
    torch.testing.assert_close(losses, {"semseg": TASKS["semseg"].loss_of(final["semseg"], targets["semseg"])})


def test_in_evaluation_each_task_has_its_own_loss():
    final, _, targets = example()
    losses = CrossTaskConsistency()(TASKS, final, {}, targets)
    torch.testing.assert_close(losses, {task: TASKS[task].loss_of(final[task], targets[task]) for task in TASKS})


def test_consistency_energy_by_hand():
    tasks = {**TASKS, "normals": SurfaceNormals()}
    final, transferred, _ = example(tasks)
    energy = consistency_energy(tasks, final, transferred)
    p, q = final["semseg"].softmax(1), transferred["semseg"].softmax(1)
    torch.testing.assert_close(energy["semseg"], (p * (p / q).log()).sum(1).mean())
    torch.testing.assert_close(energy["depth"], (final["depth"] - transferred["depth"]).abs().mean())
    directions = F.normalize(final["normals"]) - F.normalize(transferred["normals"])
    torch.testing.assert_close(energy["normals"], directions.abs().mean())
    assert not energy["depth"].requires_grad
    assert all(value == 0 for value in consistency_energy(tasks, final, final).values())
