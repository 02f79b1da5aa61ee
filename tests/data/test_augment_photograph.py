"""Augmentation of generated images with properties of photographs: texture, light, lens, sensor."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from samples import draws
from torch import Tensor

from taskscape.batch import Batch, Target
from taskscape.data import Augmentation
from taskscape.data.augment import Lens, Light, Sensor, Texture, draw
from taskscape.data.augment.draws import gaussian
from taskscape.data.augment.lens import gaussian_blur
from taskscape.data.augment.sensor import compressed
from taskscape.modalities import Depth, Modality, Normals, Semseg
from taskscape.modalities.class_sets import CITYSCAPES_19

FIELDS: dict[str, Modality] = {"semseg": Semseg(CITYSCAPES_19), "depth": Depth(), "normals": Normals()}
SIZE = (40, 56)
EACH = {
    "noise": Augmentation(texture=Texture(noise=0.3)),
    "mixing": Augmentation(texture=Texture(mixing=0.8)),
    "gamma": Augmentation(light=Light(gamma=0.5)),
    "white balance": Augmentation(light=Light(white_balance=0.3)),
    "gradient": Augmentation(light=Light(gradient=0.8)),
    "shadow": Augmentation(light=Light(shadow=0.9)),
    "vignetting": Augmentation(lens=Lens(vignetting=0.8)),
    "blur": Augmentation(lens=Lens(blur=2.0)),
    "shot noise": Augmentation(sensor=Sensor(shot_noise=0.2)),
    "read noise": Augmentation(sensor=Sensor(read_noise=0.1)),
    "sharpening": Augmentation(sensor=Sensor(sharpening=2.0)),
    "jpeg": Augmentation(sensor=Sensor(jpeg=10)),
}
ALL = Augmentation(
    flip=True,
    scale_range=(0.7, 1.6),
    crop=(32, 48),
    brightness=0.4,
    contrast=0.4,
    saturation=0.5,
    hue=0.1,
    texture=Texture(0.3, 0.8),
    light=Light(0.5, 0.3, 0.8, 0.9),
    lens=Lens(0.2, 0.8, 2.0),
    sensor=Sensor(0.2, 0.1, 2.0, 10),
)


def random_batch(count: int = 4, seed: int = 0) -> Batch:
    random = torch.Generator().manual_seed(seed)
    # Smooth with some grain, like photographs.
    image = F.interpolate(torch.rand(count, 3, 6, 8, generator=random), SIZE, mode="bilinear")
    image = (image + 0.05 * torch.randn(image.shape, generator=random)).clamp(0, 1)
    mask = lambda: torch.rand(count, *SIZE, generator=random) < 0.7  # noqa: E731
    return Batch(
        image.contiguous(memory_format=torch.channels_last),
        {
            "semseg": Target(torch.randint(0, 19, (count, *SIZE), generator=random), mask()),
            "depth": Target(torch.rand(count, 1, *SIZE, generator=random) * 50 + 1, mask()),
            "normals": Target(F.normalize(torch.randn(count, 3, *SIZE, generator=random), dim=1), mask()),
        },
        torch.arange(count),
    )


@pytest.mark.parametrize("name", EACH)
def test_labels_stay_and_images_change_within_their_range(name: str) -> None:
    batch = random_batch()
    changed = EACH[name](batch, draw(3, 1, range(4)), FIELDS)
    assert changed.targets is batch.targets
    assert changed.image.shape == batch.image.shape
    assert changed.image.min() >= 0
    assert changed.image.max() <= 1
    assert ((changed.image - batch.image).abs().amax((1, 2, 3)) > 1e-3).all()
    # Another step changes the same samples differently.
    other = EACH[name](batch, draw(3, 2, range(4)), FIELDS)
    assert ((changed.image - other.image).abs().amax((1, 2, 3)) > 1e-4).all()


def test_a_sample_is_changed_alike_in_every_batch() -> None:
    batch = random_batch()
    whole = ALL(batch, draw(5, 2, range(4)), FIELDS)
    order = [2, 0]
    part = batch._replace(
        image=batch.image[order],
        targets={name: Target(value[order], valid[order]) for name, (value, valid) in batch.targets.items()},
    )
    some = ALL(part, draw(5, 2, order), FIELDS)
    torch.testing.assert_close(some.image, whole.image[order], rtol=0, atol=1e-5)
    for name, (value, valid) in some.targets.items():
        assert torch.equal(value, whole.targets[name].value[order])
        assert torch.equal(valid, whole.targets[name].valid[order])
    again = ALL(batch, draw(5, 2, range(4)), FIELDS)
    assert torch.equal(again.image, whole.image)


@pytest.mark.parametrize("amount", [-0.3, 0.2])
def test_labels_follow_the_distortion_and_keep_their_values(amount: float) -> None:
    height, width = SIZE
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    batch = random_batch(1)._replace(image=torch.stack([x / 64, y / 64, 0 * x + 1])[None])
    augmentation = Augmentation(lens=Lens(distortion=abs(amount)))
    bent = augmentation(batch, draws(1, distortion=0.0 if amount < 0 else 1.0), FIELDS)
    # Brown's model, computed independently: a pixel of the distorted image comes from r·(1 + k·r²).
    dx, dy = x - (width - 1) / 2, y - (height - 1) / 2
    factor = 1 + amount * (dx**2 + dy**2) / (width**2 + height**2) * 4
    source_x, source_y = dx * factor + (width - 1) / 2, dy * factor + (height - 1) / 2
    column, row = source_x.round().long(), source_y.round().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    nearest = row.clamp(0, height - 1), column.clamp(0, width - 1)
    for name, (value, valid) in bent.targets.items():
        old, was_valid = batch.targets[name]
        assert torch.equal(valid[0], was_valid[0][nearest] & inside)
        taken = old[0][..., nearest[0], nearest[1]]
        torch.testing.assert_close(value[0][..., inside], taken[..., inside], rtol=0, atol=1e-6)
    within = (source_x >= 0) & (source_x <= width - 1) & (source_y >= 0) & (source_y <= height - 1)
    for channel, expected in enumerate((source_x / 64, source_y / 64)):
        torch.testing.assert_close(bent.image[0, channel][within], expected[within], rtol=0, atol=1e-5)


def test_a_distorted_and_zoomed_plane() -> None:
    """The zoom changes depth and normals as without a lens, which only moves pixels."""
    batch = random_batch(1)
    depth, normals = batch.targets["depth"], batch.targets["normals"]
    plane = {
        "depth": Target(torch.full_like(depth.value, 10.0), depth.valid),
        "normals": Target(torch.tensor([0.0, 0.6, -0.8]).view(1, 3, 1, 1).expand(normals.value.shape), normals.valid),
    }
    batch = batch._replace(targets=plane)
    zoomed = Augmentation(scale_choices=(1.5,))(batch, draws(1), FIELDS)
    both = Augmentation(scale_choices=(1.5,), lens=Lens(distortion=0.2))
    bent = both(batch, draws(1, distortion=1.0), FIELDS)
    for name in plane:
        torch.testing.assert_close(bent.targets[name].value, zoomed.targets[name].value)
    assert not torch.allclose(bent.image, zoomed.image, atol=0.01)
    torch.testing.assert_close(both(batch, draws(1), FIELDS).image, zoomed.image, rtol=0, atol=1e-5)


@pytest.mark.parametrize("std", [0.7, 1.0, 2.0])
def test_blur_has_the_width_that_it_says(std: float) -> None:
    image = torch.zeros(2, 3, 31, 31)
    image[..., 15, 15] = 1
    blurred = gaussian_blur(image, torch.tensor([std, 0.0]).view(2, 1, 1, 1), 4.0)
    torch.testing.assert_close(blurred[1], image[1])
    row = blurred[0, 0].sum(0)
    offsets = torch.arange(31) - 15.0
    torch.testing.assert_close(row.sum(), torch.tensor(1.0))
    # The variance of a bell curve whose pixels are 1 wide.
    assert float((row * offsets**2).sum()) == pytest.approx(std**2 + 1 / 12, rel=0.02)


@pytest.mark.parametrize("quality", [10, 35, 50, 75, 95])
def test_compression_is_that_of_libjpeg(quality: int) -> None:
    image = random_batch(1, seed=quality).image
    ours = compressed(image, np.array([float(quality)]))
    pixels = (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=quality, subsampling="4:2:0")
    theirs = torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1) / 255
    change = float((theirs - image[0]).square().mean().sqrt())
    difference = float((theirs - ours[0]).square().mean().sqrt())
    assert difference < 0.2 * change + 1 / 255  # libjpeg computes with integers
    assert float((ours - image).square().mean().sqrt()) == pytest.approx(change, rel=0.1)


def test_noise_has_the_variance_that_it_says() -> None:
    gray = torch.stack([torch.full((3, 200, 200), value) for value in (0.25, 0.75)])
    found = Sensor(shot_noise=0.1, read_noise=0.02)(gray, draws(2, noise=1.0)).std((1, 2, 3))
    expected = torch.tensor([math.sqrt(0.01 * value + 0.0004) for value in (0.25, 0.75)])
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0)
    fields = gaussian(np.array([0.1, 0.1, 0.2]), (50,), torch.device("cpu"))
    assert torch.equal(fields[0], fields[1])
    assert not torch.equal(fields[0], fields[2])


def test_sharpening_steepens_edges_only() -> None:
    step = torch.full((1, 3, 16, 32), 0.4)
    step[..., 16:] = 0.6
    sharp = Sensor(sharpening=1.0)(step, draws(1, sharpening=1.0))
    torch.testing.assert_close(sharp[..., :10], step[..., :10])
    assert sharp[..., 16].min() > 0.65
    assert sharp[..., 15].max() < 0.35


def test_light() -> None:
    gray = torch.full((1, 3, 30, 40), 0.5)
    gamma = Light(gamma=0.5)(gray, draws(1, gamma=0.0))
    torch.testing.assert_close(gamma, torch.full_like(gray, 0.5 ** math.exp(-0.5)))
    black_and_white = torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2)
    assert torch.equal(Light(gamma=0.5)(black_and_white, draws(1, gamma=0.0)), black_and_white)
    warm = Light(white_balance=0.2)(gray, draws(1, red=1.0, blue=0.0))
    expected = torch.tensor([math.exp(0.2), 1.0, math.exp(-0.2)]).view(1, 3, 1, 1) * gray
    torch.testing.assert_close(warm, expected)
    slope = Light(gradient=0.4)(gray, draws(1, gradient=1.0, gradient_angle=0.0))
    along = math.exp(0.4 * 40 / 50)
    torch.testing.assert_close(slope[0, 0, 0, [0, -1]], torch.tensor([0.5 / along, 0.5 * along]))
    shadow = Light(shadow=0.6)(gray, draws(1, shadow=1.0, shadow_angle=0.25, shadow_place=0.5, shadow_width=0.0))
    torch.testing.assert_close(shadow[0, 0, [0, 15, -1], 20], torch.tensor([0.5, 0.2, 0.5]), rtol=0, atol=0.02)


def test_vignetting_darkens_the_corners() -> None:
    dark = Lens(vignetting=0.6)(torch.ones(1, 3, 31, 41), draws(1, vignetting=1.0))
    torch.testing.assert_close(
        dark[0, :, [0, 0, -1, 15], [0, -1, -1, 20]], torch.tensor([0.4, 0.4, 0.4, 1.0]).expand(3, 4)
    )


def test_mixing_keeps_mean_and_contrast() -> None:
    image = 0.4 + 0.05 * torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    mixed = Texture(mixing=1.0)(image, draws(2, texture_mixing=1.0, texture_fields=0.3))
    for statistic in (Tensor.mean, Tensor.std):
        torch.testing.assert_close(statistic(mixed, (2, 3)), statistic(image, (2, 3)), rtol=0.01, atol=1e-3)
    assert not torch.allclose(mixed, image, atol=0.02)


def test_smooth_noise_has_unit_variance_at_its_nodes() -> None:
    """All scales have a node in the corner, where their independent numbers add up."""
    count = 600
    drawn = draw(0, 0, range(count))._replace(texture_noise=np.ones(count))
    factor = Texture(noise=0.05)(torch.full((count, 3, 8, 12), 0.5), drawn) / 0.5
    assert ((factor - 1) / 0.05)[..., 0, 0].std() == pytest.approx(1.0, rel=0.1)


def test_off_and_weak_settings() -> None:
    batch = random_batch()
    assert Augmentation()(batch, draw(0, 0, range(4)), FIELDS) is batch
    # With draws of ½, and for settings that turn a step off, nothing changes.
    assert torch.equal(
        replace(ALL, crop=None, scale_range=(1.0, 1.0), flip=False)(batch, draws(4), FIELDS).targets["depth"].valid,
        batch.targets["depth"].valid,
    )


@pytest.mark.parametrize("change", [lambda: Lens(distortion=1.0), lambda: Sensor(jpeg=0), lambda: Texture(noise=-0.1)])
def test_settings_beyond_their_range_are_refused(change: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        change()  # type: ignore[operator]
