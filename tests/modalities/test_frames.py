"""Photographs with a single-color frame, like those of NYUv2."""

import numpy as np
import pytest

from taskscape.modalities import Rgb


def photographs(frame: int | None, count: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    images = {f"{i:02}": rng.integers(60, 140, (24, 32, 3)).astype(np.uint8) for i in range(count)}
    for image in images.values():
        image[:8] = np.minimum(image[:8] + 100, 255)  # a bright sky is not a frame
        if frame is not None:
            image[:2] = image[-2:] = image[:, :2] = image[:, -2:] = frame
    return images


def sentences(images: dict[str, np.ndarray]) -> list[str]:
    seen = {name: Rgb().image_statistics(image, np.ones(image.shape[:2], np.bool_)) for name, image in images.items()}
    observed = {key: {name: one[key] for name, one in seen.items()} for key in next(iter(seen.values()))}
    return [sentence for sentence in Rgb().statistics_warnings(observed) if "frame" in sentence]


@pytest.mark.parametrize("frame", [255, 0])
def test_frames_are_found(frame: int) -> None:
    (sentence,) = sentences(photographs(frame))
    assert "4 of 4 images" in sentence and "crop it" in sentence


def test_photographs_without_a_frame_and_a_few_with_one_are_not_doubted() -> None:
    assert not sentences(photographs(None))
    assert not sentences({**photographs(None, 20), "x": photographs(255)["00"]})
    assert not sentences({"small": np.zeros((5, 5, 3), np.uint8)})
