import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from samples import draws
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from taskscape.batch import Batch, Target
from taskscape.data import Augmentation
from taskscape.data.augment import Draws, Light, Sensor, draw
from taskscape.data.augment.lens import Lens
from taskscape.modalities import Depth, Modality, Normals, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_19

FIELDS: dict[str, Modality] = {"semseg": Semseg(CITYSCAPES_19), "depth": Depth(), "normals": Normals()}


def augmented(augmentation: Augmentation, batch: Batch, drawn: Draws) -> Batch:
    return augmentation(batch, drawn, {name: FIELDS[name] for name in batch.targets})


def random_batch(size: tuple[int, int], count: int = 3, seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    normals = F.normalize(torch.randn(count, 3, *size, generator=random), dim=1)
    mask = lambda: torch.rand(count, *size, generator=random) < 0.7  # noqa: E731
    return Batch(
        torch.rand(count, 3, *size, generator=random).contiguous(memory_format=torch.channels_last),
        {
            "semseg": Target(torch.randint(0, 19, (count, *size), generator=random), mask()),
            "depth": Target(torch.rand(count, 1, *size, generator=random) * 50 + 1, mask()),
            "normals": Target(normals, mask()),
        },
        torch.arange(count),
    )


def expect(batch: Batch, source: Batch, move: Callable[[Tensor], Tensor], depth: float, normals: Tensor) -> None:
    """Compare with the source moved by ``move``, its depth multiplied and its normals transformed."""
    torch.testing.assert_close(batch.image, move(source.image), rtol=0, atol=1e-5)
    for task, target in source.targets.items():
        assert torch.equal(batch.targets[task].valid, move(target.valid))
    assert torch.equal(batch.targets["semseg"].value, move(source.targets["semseg"].value))
    torch.testing.assert_close(batch.targets["depth"].value, move(source.targets["depth"].value) * depth)
    turned = torch.einsum("ij,bjhw->bihw", normals, move(source.targets["normals"].value))
    torch.testing.assert_close(batch.targets["normals"].value, F.normalize(turned, dim=1), rtol=0, atol=1e-6)
    assert torch.equal(batch.indices, source.indices)


def test_off_means_untouched() -> None:
    batch = random_batch((5, 7))
    assert augmented(Augmentation(), batch, draw(0, 0, range(3))) is batch


@pytest.mark.parametrize(
    "settings", [{"light": Light(gamma=0.3)}, {"sensor": Sensor(read_noise=0.1)}, {"crop": (4, 4)}]
)
def test_images_of_integers_are_flipped_and_otherwise_refused(settings: dict) -> None:
    """Light and sensor clamped them to 0 … 1: black and white."""
    batch = random_batch((5, 7))
    integers = batch._replace(image=(batch.image * 255).byte())
    with pytest.raises(ValueError, match=r"image is torch.uint8: give floating-point numbers in 0..1"):
        augmented(Augmentation(**settings), integers, draw(0, 0, range(3)))
    flipped = augmented(Augmentation(flip=True), integers, draws(3, flip=0))
    assert torch.equal(flipped.image, integers.image.flip(-1))


@pytest.mark.parametrize("size", [(5, 8), (4, 7), (1, 1), (1, 6), (6, 1)])
def test_flip(size: tuple[int, int]) -> None:
    batch = random_batch(size)
    flip = Augmentation(flip=True)
    mirror = torch.diag(torch.tensor([-1.0, 1, 1]))
    once = augmented(flip, batch, draws(3, flip=0))
    expect(once, batch, lambda x: x.flip(-1), 1, mirror)
    expect(augmented(flip, once, draws(3, flip=0)), batch, lambda x: x, 1, torch.eye(3))
    expect(augmented(flip, batch, draws(3, flip=0.5)), batch, lambda x: x, 1, torch.eye(3))
    # A flip in the same resampling as the other steps gives the same result.
    inside = augmented(Augmentation(flip=True, crop=size), batch, draws(3, flip=0))
    expect(inside, batch, lambda x: x.flip(-1), 1, mirror)


@pytest.mark.parametrize("size", [(6, 9), (5, 5), (1, 1)])
def test_steps_that_happen_to_do_nothing(size: tuple[int, int]) -> None:
    batch = random_batch(size)
    every = Augmentation(scale_choices=(1.0,), scale_range=(0.5, 2.0), rotation=30, crop=size)
    expect(augmented(every, batch, draws(3)), batch, lambda x: x, 1, torch.eye(3))


@pytest.mark.parametrize(("left", "top", "x", "y"), [(0, 0, 0, 0), (0.999, 0.999, 6, 3), (0.5, 0.34, 3, 1)])
def test_crop_is_a_slice(left: float, top: float, x: int, y: int) -> None:
    batch = random_batch((8, 11))
    cropped = augmented(Augmentation(crop=(5, 5)), batch, draws(3, left=left, top=top))
    expect(cropped, batch, lambda v: v[..., y : y + 5, x : x + 5], 1, torch.eye(3))


@pytest.mark.parametrize("zoom", [2, 3])
@pytest.mark.parametrize("corner", [0.0, 0.999])
def test_zoom_by_a_whole_factor_repeats_pixels(zoom: int, corner: float) -> None:
    batch = random_batch((6 * zoom, 12))
    zoomed = augmented(Augmentation(scale_choices=(zoom,)), batch, draws(3, left=corner, top=corner))
    rows = slice(0, 6) if corner == 0 else slice(-6, None)
    wide = slice(0, 12 // zoom) if corner == 0 else slice(-12 // zoom, None)

    def window(x: Tensor) -> Tensor:
        return x[..., rows, wide]

    def repeated(x: Tensor) -> Tensor:
        if x.is_floating_point() and x.shape[1] == 3 and x is batch.image:
            return x
        return window(x).repeat_interleave(zoom, -1).repeat_interleave(zoom, -2)

    labels_only = zoomed._replace(image=batch.image)
    # A zoom brings objects nearer and turns surfaces toward the camera.
    expect(labels_only, batch, repeated, 1 / zoom, torch.diag(torch.tensor([1.0, 1, zoom])))
    # The frame's own border is repeated on both sides; inside the window the neighbours lie beyond its edge.
    bilinear = F.interpolate(window(batch.image), scale_factor=zoom, mode="bilinear", align_corners=False)
    inner = (slice(None), slice(None), slice(zoom, -zoom), slice(zoom, -zoom))
    torch.testing.assert_close(zoomed.image[inner], bilinear[inner], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("angle", "quarters"), [(0.75, 1), (0.25, -1), (0.0, 2)])
def test_right_angles(angle: float, quarters: int) -> None:
    batch = random_batch((6, 6))
    rotated = augmented(Augmentation(rotation=180), batch, draws(3, rotation=angle))
    # In image axes, y down, a positive angle turns right to down, i.e. clockwise; torch uses the opposite sign.
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    expect(
        rotated,
        batch,
        lambda x: torch.rot90(x, -quarters, (-2, -1)),
        1,
        torch.linalg.matrix_power(turn, quarters),
    )


class Plane:
    """A plane in front of a pinhole camera, and its image, computed from three of its points."""

    focal = 40.0

    def __init__(self, corners: np.ndarray) -> None:
        self.corners = corners  # (3, 3), one point per row
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal /= np.linalg.norm(normal)
        self.normal = -normal if normal @ corners[0] > 0 else normal  # towards the camera
        self.distance = self.normal @ corners[0]

    def moved(self, flip: bool, angle: float, zoom: float) -> "Plane":
        """Return the plane of which the camera would take the flipped, rotated, zoomed image."""
        x, y, z = self.corners.T
        x = -x if flip else x
        x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
        return Plane(np.stack([x, y, z / zoom], 1))

    def seen(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return depth, and its change over half a pixel, (H, W)."""
        y, x = np.mgrid[: size[0], : size[1]].astype(float)
        rays = [(x - (size[1] - 1) / 2) / self.focal, (y - (size[0] - 1) / 2) / self.focal, np.ones(size)]
        depth = self.distance / sum(n * ray for n, ray in zip(self.normal, rays, strict=True))
        slope = sum(np.abs(g) for g in np.gradient(depth))
        return depth, slope


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("degrees", [-25.0, 0.0, 10.0])
@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.0])
def test_a_plane_seen_by_a_camera(flip: bool, degrees: float, zoom: float) -> None:
    size = (48, 64)
    plane = Plane(np.array([[-1.0, 1.0, 8.0], [2.0, 1.2, 8.82], [0.3, -0.6, 9.03]]))
    after = plane.moved(flip, math.radians(degrees), zoom)
    depth, _ = plane.seen(size)
    y, x = np.mgrid[: size[0], : size[1]]
    batch = Batch(
        # The image is a ramp along each axis, which bilinear sampling reproduces exactly.
        torch.from_numpy(np.stack([x / 63, y / 47, 0 * x + 1.0])).float()[None],
        {
            "semseg": Target(torch.from_numpy((x > 31) + 2 * (y > 23)).long()[None], torch.ones(1, *size).bool()),
            "depth": Target(torch.from_numpy(depth).float()[None, None], torch.from_numpy(x + y > 30)[None]),
            "normals": Target(
                torch.from_numpy(plane.normal).float().view(1, 3, 1, 1).expand(-1, -1, *size),
                torch.ones(1, *size).bool(),
            ),
        },
        torch.zeros(1, dtype=torch.long),
    )
    augmentation = Augmentation(flip=flip, scale_choices=(zoom,), rotation=45)
    changed = augmented(augmentation, batch, draws(1, flip=0, rotation=0.5 + degrees / 90))

    # The source of each pixel, by trigonometry.
    u, v, a = (x - 31.5) / zoom, (y - 23.5) / zoom, math.radians(degrees)
    u, v = u * math.cos(a) + v * math.sin(a), v * math.cos(a) - u * math.sin(a)
    u, v = (-u if flip else u) + 31.5, v + 23.5
    inside = (u > -0.499) & (u < 63.499) & (v > -0.499) & (v < 47.499)
    outside = (u < -0.501) | (u > 63.501) | (v < -0.501) | (v > 47.501)
    assert inside.mean() > 0.2

    image = changed.image[0].numpy()
    assert np.abs(image[0] - np.clip(u, 0, 63) / 63)[inside].max() < 1e-4
    assert np.abs(image[1] - np.clip(v, 0, 47) / 47)[inside].max() < 1e-4
    assert np.abs(image[2] - 1)[inside].max() < 1e-5 and (image[:, outside] == 0).all()

    semseg = changed.targets["semseg"]
    assert np.array_equal(semseg.valid[0].numpy()[inside | outside], inside[inside | outside])
    clear = inside & (np.abs(u - 31.5) > 0.51) & (np.abs(v - 23.5) > 0.51)
    assert np.array_equal(semseg.value[0].numpy()[clear], ((u > 31.5) + 2 * (v > 23.5))[clear])

    expected, slope = after.seen(size)
    nearest = 0.75 * slope * max(zoom, 1) + 1e-3  # labels come from the nearest pixel, half a pixel away at most
    assert (np.abs(changed.targets["depth"].value[0, 0].numpy() - expected) <= nearest)[inside].all()
    clear = inside & (np.abs(u + v - 30.5) > 1.01)
    assert np.array_equal(changed.targets["depth"].valid[0].numpy()[clear], (u + v > 30.5)[clear])

    normals = changed.targets["normals"].value[0].permute(1, 2, 0).numpy()
    assert np.abs(normals[inside] - after.normal).max() < 1e-5


def test_scales_of_mtan_and_ranges() -> None:
    batch = random_batch((4, 6), count=300)
    depth = batch.targets["depth"].value
    ones = batch._replace(targets={"depth": Target(torch.ones_like(depth), batch.targets["depth"].valid)})

    def zooms(augmentation: Augmentation, drawn: Draws) -> Tensor:
        return 1 / augmented(augmentation, ones, drawn).targets["depth"].value[:, 0, 0, 0]

    zoom = zooms(Augmentation(scale_choices=(1.0, 1.2, 1.5)), draw(0, 0, range(300)))
    values, counts = zoom.mul(10).round().unique(return_counts=True)
    assert values.tolist() == [10, 12, 15] and counts.min() > 70
    zoom = zooms(Augmentation(scale_range=(0.5, 2.0)), draw(0, 0, range(300)))
    assert 0.5 <= zoom.min() < 0.55 and 1.9 < zoom.max() <= 2 and 120 < (zoom < 1).sum() < 180
    both = zooms(Augmentation(scale_choices=(3.0,), scale_range=(2.0, 2.0)), draw(0, 0, [0] * 300))
    torch.testing.assert_close(both, torch.full_like(both, 6))


def test_perspective_of_a_plane() -> None:
    """A plane stays a plane; its depth and normal agree with the positions of its pixels."""
    size, focal = (48, 64), 64.0  # the focal length that is assumed
    y, x = np.mgrid[: size[0], : size[1]]
    rays = np.stack([(x - 31.5) / focal, (y - 23.5) / focal, np.ones(size)])
    normal = np.array([0.2, -0.4, -0.9]) / np.linalg.norm([0.2, -0.4, -0.9])
    depth = normal[2] * 6 / np.einsum("i,ihw->hw", normal, rays)
    everywhere = torch.ones(1, *size, dtype=torch.bool)
    batch = Batch(
        torch.from_numpy(np.stack([x / 63, y / 47, 0 * x + 1.0])).float()[None],
        {
            "depth": Target(torch.from_numpy(depth).float()[None, None], everywhere),
            "normals": Target(torch.from_numpy(normal).float().view(1, 3, 1, 1).expand(-1, -1, *size), everywhere),
        },
        torch.zeros(1, dtype=torch.long),
    )
    changed = augmented(Augmentation(perspective=0.3), batch, draws(1, perspective_x=1.0, perspective_y=0.25))
    valid = changed.targets["depth"].valid[0].numpy()
    assert 0.5 < valid.mean() < 1
    # The right side is farther and smaller: its edge has moved inward, and the left is cut off.
    across = changed.image[0, 0, 24].numpy()
    assert across[valid[24]].min() > 0.05 and not valid[24, -1]

    after = changed.targets["depth"].value[0, 0].numpy()
    found = changed.targets["normals"].value[0].permute(1, 2, 0).numpy()
    assert np.abs(found - found[0, 0]).max() < 1e-5
    points = rays * after
    offset = np.einsum("i,ihw->hw", found[0, 0], points)[valid]
    assert np.ptp(offset) < 0.05 * np.abs(offset.mean())  # labels come from the nearest pixel
    assert after[24, 32] == pytest.approx(depth[24, 32], rel=0.02)


@pytest.mark.parametrize("zoom", [1.0, 2.0])
@pytest.mark.parametrize(("x_draw", "y_draw"), [(1.0, 0.5), (0.5, 1.0), (0.25, 0.0)])
def test_perspective_magnifies_by_its_amount_at_the_edges(zoom: float, x_draw: float, y_draw: float) -> None:
    """The depth of a wall changes by the factor 1 ± perspective at the edges of the window and not at its center."""
    height, width = 40, 64
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    everywhere = torch.ones(1, height, width, dtype=torch.bool)
    batch = Batch(
        torch.stack([x / 63, y / 39, 0 * x])[None],
        {"depth": Target(torch.full((1, 1, height, width), 10.0), everywhere)},
        torch.zeros(1, dtype=torch.long),
    )
    drawn = draws(1, perspective_x=x_draw, perspective_y=y_draw)
    changed = augmented(Augmentation(scale_choices=(zoom,), perspective=0.3), batch, drawn)
    source_x, source_y = changed.image[0, 0] * 63, changed.image[0, 1] * 39
    clear = changed.targets["depth"].valid[0] & (source_x > 0) & (source_x < 63) & (source_y > 0) & (source_y < 39)
    assert clear.float().mean() > 0.5
    across = (source_x - 31.5) / (width / zoom / 2) * (2 * x_draw - 1)
    down = (source_y - 19.5) / (height / zoom / 2) * (2 * y_draw - 1)
    expected = 10 / zoom * (1 + 0.3 * (across + down))
    torch.testing.assert_close(changed.targets["depth"].value[0, 0][clear], expected[clear], rtol=1e-4, atol=0)


def test_labels_behind_the_camera_are_finite_and_not_valid() -> None:
    """A distorted image seen from the side shows points beyond the horizon."""
    batch = random_batch((32, 48))
    every = Augmentation(perspective=0.49, lens=Lens(distortion=0.9))
    changed = augmented(every, batch, draws(3, perspective_x=1.0, perspective_y=1.0, distortion=1.0))
    depth = changed.targets["depth"]
    assert (depth.value > 0).all() and depth.value.isfinite().all() and changed.image.isfinite().all()
    assert not depth.valid[:, -1, -1].any() and depth.valid.any()


def test_without_perspective_one_number_divides_the_depth() -> None:
    """A perspective step without effect takes the other code path, and gives the same bits."""
    batch, drawn = random_batch((12, 17), count=5), draw(3, 1, range(5))
    settings = Augmentation(flip=True, scale_range=(0.7, 1.6), rotation=20.0, lens=Lens(distortion=0.1))
    expected = augmented(settings, batch, drawn)
    none = drawn._replace(perspective_x=np.full(5, 0.5), perspective_y=np.full(5, 0.5))
    found = augmented(replace(settings, perspective=0.2), batch, none)
    assert torch.equal(found.image, expected.image)
    for task, (value, valid) in expected.targets.items():
        assert torch.equal(found.targets[task].value, value)
        assert torch.equal(found.targets[task].valid, valid)
    assert torch.equal(batch.image, random_batch((12, 17), count=5).image)  # the source is unchanged


def test_a_crop_larger_than_the_image_is_not_valid_around_it() -> None:
    batch = random_batch((4, 4))
    larger = augmented(Augmentation(crop=(8, 8)), batch, draws(3))
    assert larger.image.shape == (3, 3, 8, 8)
    assert larger.targets["semseg"].valid.sum() == batch.targets["semseg"].valid.sum()
    assert torch.equal(larger.targets["depth"].valid[:, 2:6, 2:6], batch.targets["depth"].valid)


def test_the_share_of_a_crop_outside_the_image_is_that_at_the_largest_zoom() -> None:
    assert Augmentation(crop=(8, 8)).outside((4, 8)) == pytest.approx(0.5)
    assert Augmentation(crop=(8, 8), scale_choices=(0.5, 1.0), scale_range=(1.0, 1.5)).outside((4, 8)) == 0.25
    assert Augmentation(scale_choices=(0.5,)).outside((4, 8)) == 0.75
    assert Augmentation(crop=(8, 8), scale_choices=(2.0,)).outside((4, 8)) == 0


def test_draws_are_of_the_sample_and_of_nothing_else() -> None:
    together = np.array(draw(3, 5, [7, 1, 4]))
    assert together.shape == (len(Draws._fields), 3) and (together >= 0).all() and (together < 1).all()
    assert np.array_equal(np.array(draw(3, 5, [4]))[:, 0], together[:, 2])
    stream = np.random.Philox(key=[3, 1], counter=[0, 0, 5, 4])  # on which the weights of a seed depend
    assert np.array_equal(np.random.Generator(stream).random(len(Draws._fields)), together[:, 2])
    others = [draw(3, 5, [7]), draw(3, 6, [7]), draw(4, 5, [7]), draw(3, 5, [8])]
    assert len({tuple(np.array(one)[:, 0]) for one in others}) == 4
    assert all(part.shape == (0,) for part in draw(0, 0, []))
    batch, every = random_batch((6, 8)), Augmentation(True, (1.0, 1.5), (0.8, 1.2), (4, 4), 20, 0.2, 0.3, 0.3, 0.3, 0.1)
    whole = augmented(every, batch, Draws(*together))
    pick = lambda x: x[2:]  # noqa: E731
    third = Batch(pick(batch.image), {t: Target(*map(pick, v)) for t, v in batch.targets.items()}, pick(batch.indices))
    alone = augmented(every, third, draw(3, 5, [4]))
    torch.testing.assert_close(alone.image, whole.image[2:])
    assert torch.equal(alone.targets["normals"].value, whole.targets["normals"].value[2:])


@pytest.mark.parametrize("step", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("factor", [0.7, 1.2])
def test_color_agrees_with_torchvision(step: str, factor: float) -> None:
    batch = random_batch((9, 12))
    batch = batch._replace(image=batch.image * 0.4 + 0.3)  # nothing is clamped
    changed = augmented(Augmentation(**{step: 1.0}), batch, draws(3, **{step: 0.5 + (factor - 1) / 2}))
    expected = getattr(tv, f"adjust_{step}")(batch.image, factor)
    torch.testing.assert_close(changed.image, expected, rtol=0, atol=2e-3)
    assert changed.targets is batch.targets


def test_colors_change_one_after_the_other() -> None:
    """Saturation, brightness, then contrast about the mean gray, as torchvision computes them."""
    batch = random_batch((9, 12))
    batch = batch._replace(image=batch.image * 0.3 + 0.3)
    every = Augmentation(brightness=1.0, contrast=1.0, saturation=1.0)
    changed = augmented(every, batch, draws(3, brightness=0.6, contrast=0.7, saturation=0.3))
    expected = tv.adjust_contrast(tv.adjust_brightness(tv.adjust_saturation(batch.image, 0.6), 1.2), 1.4)
    torch.testing.assert_close(changed.image, expected, rtol=0, atol=2e-3)


def test_hue_turns_colors_and_leaves_grays() -> None:
    batch = random_batch((4, 5))
    gray = batch._replace(image=batch.image[:, :1].expand(-1, 3, -1, -1))
    hue = Augmentation(hue=0.5)
    torch.testing.assert_close(augmented(hue, gray, draws(3, hue=0.9)).image, gray.image, rtol=0, atol=1e-3)
    muted = batch._replace(image=0.5 + 0.1 * (batch.image - 0.5))
    sixth = draws(3, hue=0.5 + 1 / 6)  # of the circle, six times
    turned = muted
    for _ in range(6):
        turned = augmented(hue, turned, sixth)
    assert (augmented(hue, muted, sixth).image - muted.image).abs().max() > 0.02
    torch.testing.assert_close(turned.image, muted.image, rtol=0, atol=1e-3)


def test_colors_stay_in_range() -> None:
    batch = random_batch((4, 5), count=50)
    every = Augmentation(brightness=1, contrast=1, saturation=1, hue=0.5)
    image = augmented(every, batch, draw(0, 0, range(50))).image
    assert image.min() >= 0 and image.max() <= 1 and len(image.unique()) > 100


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"scale_choices": ()}, "scale_choices"),
        ({"scale_choices": (1.0, 0.0)}, "scale_choices"),
        ({"scale_range": (2.0, 1.0)}, "scale_range"),
        ({"scale_range": (0.0, 1.0)}, "scale_range"),
        ({"crop": (0, 4)}, "crop"),
        ({"rotation": -1.0}, "rotation"),
        ({"perspective": 0.5}, "perspective"),
        ({"brightness": 1.5}, "brightness"),
        ({"hue": 0.6}, "hue"),
        ({"hue": float("nan")}, "hue"),
    ],
)
def test_bad_settings(settings: dict, field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field} is"):
        Augmentation(**settings)
