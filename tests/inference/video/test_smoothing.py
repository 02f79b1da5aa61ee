from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from taskscape.inference import Predictor
from taskscape.tasks import Depth, SurfaceNormals
from tiny import tiny

smoothing = pytest.importorskip("taskscape.inference.video.smoothing", exc_type=(ImportError, ValueError))
motion = pytest.importorskip("taskscape.inference.video.motion", exc_type=(ImportError, ValueError))
clips = pytest.importorskip("clips")

TASKS = {name: task for name, task in tiny(Path("nowhere")).tasks.items() if name != "semseg"}
SIZE = (72, 96)


def textured(height: int = SIZE[0], width: int = SIZE[1] + 60, seed: int = 0) -> torch.Tensor:
    """Return a smooth random gray image (1, 1, H, W) in 0..1."""
    noise = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(seed))
    smooth = motion.mean_around(motion.mean_around(noise, 2), 2)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def shot(left: int, seed: int = 0) -> np.ndarray:
    """Return the image of a camera that has turned by ``left`` pixels, (H, W, 3)."""
    gray = textured(seed=seed)[0, 0, :, left : left + SIZE[1]]
    return (gray[..., None].expand(-1, -1, 3) * 255).round().byte().numpy()


def raws(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(1, task.channels, *SIZE, generator=generator) for name, task in TASKS.items()}


@pytest.mark.parametrize(("right", "down"), [(7, 0), (-11, 4), (0, -6)])
def test_motion_finds_a_shift(right: int, down: int) -> None:
    whole = textured(120, 140)
    before = whole[..., 20:92, 20:116]
    frame = whole[..., 20 + down : 92 + down, 20 + right : 116 + right]
    assert motion.shift(frame, before).tolist() == [right, down]
    flow = motion.motion(frame, before)
    inner = flow[..., 16:-16, 16:-16]
    assert (inner - torch.tensor([right, down]).view(1, 2, 1, 1)).abs().mean() < 0.25
    there = motion.warp(before, flow)
    assert (there - frame)[..., 16:-16, 16:-16].abs().mean() < 0.1 * (before - frame).abs().mean()


def test_motion_finds_what_moves_otherwise_than_the_whole() -> None:
    before, frame = textured()[..., :96].clone(), textured()[..., :96].clone()
    thing = textured(40, 40, seed=5)
    before[..., 20:60, 30:70], frame[..., 20:60, 32:72] = thing, thing
    flow = motion.motion(frame, before)
    assert abs(flow[0, 0, 34:46, 46:58].mean() + 2) < 0.3
    assert flow[0, :, :8].abs().mean() < 0.2


def test_no_share_of_the_past_changes_nothing() -> None:
    smoother = smoothing.Smoother(TASKS, 0.0)
    for number in range(3):
        given = raws(number)
        assert smoother(shot(number), given) is given


def test_a_share_of_nearly_all_equals_the_frame_before() -> None:
    smoother = smoothing.Smoother({"depth": Depth()}, 0.999)
    first, second = (raws(n)["depth"] for n in (0, 1))
    smoother(shot(0), {"depth": first})
    blended = smoother(shot(0), {"depth": second})["depth"]
    torch.testing.assert_close(blended, first, atol=0.02, rtol=0)


@pytest.mark.parametrize("part", [1, 2])
def test_the_past_follows_the_camera(part: int) -> None:
    """Raw outputs may have a smaller size than the frames, in which everything moves by fewer pixels."""
    smoother = smoothing.Smoother({"depth": Depth()}, 0.5)
    scene = F.interpolate(torch.randn(1, 1, 12, 26, generator=torch.Generator().manual_seed(0)), (72, 156))
    noise = [0.3 * raws(n)["depth"][..., ::part, ::part] for n in range(6)]
    for number in range(6):
        true = F.avg_pool2d(scene[..., 6 * number : 6 * number + SIZE[1]], part)
        smoothed = smoother(shot(6 * number), {"depth": true + noise[number]})["depth"]
    inner = (..., slice(12 // part, -12 // part), slice(12 // part, -36 // part))
    error = (smoothed - true)[inner].pow(2).mean()
    assert error < 0.6 * noise[5][inner].pow(2).mean()
    assert smoother.cuts == 0


def test_what_comes_into_view_has_no_past() -> None:
    whole = textured()
    similarity, flow = smoothing.likeness(whole[..., 24 : 24 + SIZE[1]], whole[..., : SIZE[1]])
    assert not similarity[..., SIZE[1] - 22 :].any()
    assert similarity[..., 8:-8, 8 : SIZE[1] - 32].mean() > 0.9
    assert abs(flow[..., 8:-8, 8 : SIZE[1] - 32][:, 0].mean() - 24) < 0.5


def test_a_cut_forgets_the_past() -> None:
    smoother = smoothing.Smoother(TASKS, 0.8)
    smoother(shot(0), raws(0))
    after = raws(1)
    smoothed = smoother(255 - (shot(0, seed=9) // 2), after)
    assert smoother.cuts == 1
    for name in TASKS:
        torch.testing.assert_close(smoothed[name], after[name], atol=0, rtol=0)


def test_it_goes_on_where_its_state_was_taken() -> None:
    one, other = smoothing.Smoother(TASKS, 0.7), smoothing.Smoother(TASKS, 0.7)
    for number in range(2):
        one(shot(2 * number), raws(number))
    other.load_state_dict(one.state_dict(), torch.device("cpu"))
    first, second = one(shot(4), raws(2)), other(shot(4), raws(2))
    for name in TASKS:
        torch.testing.assert_close(first[name], second[name], atol=0, rtol=0)


def test_normals_are_blended_as_directions() -> None:
    past, raw = torch.tensor([10.0, 0.0, 0.0]).view(1, 3, 1, 1), torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1)
    task = SurfaceNormals()
    blended = task.decode(task.blend(past, raw, torch.full((1, 1, 1, 1), 0.5)))
    torch.testing.assert_close(blended.flatten(), torch.tensor([0.5**0.5, 0.5**0.5, 0.0]))


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_is_below_one(share: float) -> None:
    with pytest.raises(ValueError, match="below 1"):
        smoothing.Smoother(TASKS, share)


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (36, 48)])
def test_any_size(size: tuple[int, int], predictor: Predictor) -> None:
    smoother = smoothing.Smoother(predictor.model.tasks, 0.5)
    rng = np.random.default_rng(0)
    for _ in range(3):
        rgb = rng.integers(0, 256, (*size, 3), np.uint8)
        for raw in smoother(rgb, predictor.raw_outputs(rgb)).values():
            assert raw.isfinite().all()
