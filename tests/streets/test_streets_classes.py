"""Streets as training data: all classes are frequent enough, and position alone predicts little."""

import numpy as np
import pytest

from taskscape.modalities.class_sets import CITYSCAPES_19
from taskscape.streets import render

SIZE = (64, 128)


@pytest.fixture(scope="module")
def scenes():
    return [render(0, "train", i, SIZE, 1) for i in range(96)]


def test_every_class_is_common(scenes):
    labels = np.stack([s.semseg for s in scenes])
    assert labels.max() < len(CITYSCAPES_19)
    for label, name in enumerate(CITYSCAPES_19.classes):
        pixels = (labels == label).sum((1, 2))
        assert pixels.sum() / labels.size > 0.003 or (pixels >= 20).mean() >= 0.15, name
        assert (pixels > 0).mean() >= 0.15, name


def test_photographs_have_what_photographs_show():
    """All classes of CamVid, and the purpose of the style: vegetation, fences, sidewalks and parked cars."""
    labels = np.stack([render(0, "train", i, SIZE, 1, "photographs").semseg for i in range(48)])
    share = {name: (labels == label).mean() for label, name in enumerate(CITYSCAPES_19.classes)}
    seen = {name: (labels == label).any((1, 2)).mean() for label, name in enumerate(CITYSCAPES_19.classes)}
    for name in ("sidewalk", "vegetation", "car", "building", "road", "sky"):
        assert share[name] > 0.02, name
    for name in ("pole", "fence", "traffic sign", "person", "rider", "bicycle"):
        assert share[name] > 0.001 and seen[name] > 0.3, name


def test_position_alone_says_little(scenes):
    """The most frequent class at each pixel position in one half of the scenes is evaluated on the other half."""
    labels = np.stack([s.semseg for s in scenes]).astype(int)
    half = len(labels) // 2
    votes = np.stack([(labels[:half] == label).sum(0) for label in range(19)])
    guess = np.broadcast_to(votes.argmax(0), labels[half:].shape)
    hits = np.bincount((labels[half:] * 19 + guess).ravel(), minlength=361).reshape(19, 19)
    union = hits.sum(0) + hits.sum(1) - np.diag(hits)
    assert np.mean(np.diag(hits) / np.maximum(union, 1)) < 0.15
    # The mean depth is off by more than half of it, on average.
    depth = np.stack([s.depth for s in scenes])
    mean = depth[:half].sum(0) / np.maximum((depth[:half] > 0).sum(0), 1)
    valid = depth[half:] > 0
    relative = np.abs(np.broadcast_to(mean, depth[half:].shape)[valid] / depth[half:][valid] - 1)
    assert relative.mean() > 0.3


def test_traffic_is_close(scenes):
    labels, depth = np.stack([s.semseg for s in scenes]), np.stack([s.depth for s in scenes])
    traffic = depth[(labels >= 11) & (labels <= 18)]
    assert ((traffic > 3) & (traffic < 50)).mean() > 0.9


def test_pictures_are_exposed(scenes):
    for scene in scenes:
        assert 15 < scene.image.mean() < 230
        assert scene.image.std() > 12
