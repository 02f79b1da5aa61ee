"""How do generated streets differ from photographs, and how well do features transfer from them?

Photographs are in a folder like CamVid's, with images/SPLIT/NAME.jpg and semseg/SPLIT/NAME.png of its eleven classes.

- **Statistics**, for each class: its share of the pixels in the upper, middle and lower third of the image, the mean
  and the standard deviation of luma (0..255) over all its pixels, the mean saturation, and the mean difference of luma
  between neighboring pixels within the class.
- **Probe**: an encoder with ImageNet weights is frozen; a head of two layers learns to predict the class from its
  features at single places of streets, and is evaluated on photographs. This takes minutes, whereas training takes an
  hour, and shows which classes of a style are similar to those of photographs. A head that is trained on photographs
  shows the limit of these features.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from taskscape.batch import Batch, Target
from taskscape.data.augment import Augmentation, draw
from taskscape.files import atomic_write
from taskscape.modalities import Semseg
from taskscape.modalities.class_sets import CAMVID_11
from taskscape.models.layers.encoder import Encoder
from taskscape.recipes.photographs import CAMERA, RENDERED
from taskscape.streets import STYLES, render

RESULT = Path(__file__).parent / "results" / "street_gap.json"
CLASSES = CAMVID_11.classes
FROM_CITYSCAPES = np.array([3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10], np.uint8)
"""CamVid's class for each of the 19 classes of Cityscapes."""
PLACES = 250
"""Number of places of each training image of a head."""
STEPS = 500

Scene = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""An image (H, W, 3) and its classes (H, W), 255 for pixels without a class."""


def photographs(folder: Path, split: str, size: tuple[int, int], count: int) -> Iterator[Scene]:
    """Yield ``count`` photographs, evenly spread over the split."""
    paths = sorted((folder / "images" / split).glob("*.jpg"))
    for path in paths[:: max(len(paths) // count, 1)][:count]:
        image = Image.open(path).convert("RGB").resize(size[::-1], Image.Resampling.BOX)
        labels = Image.open(folder / "semseg" / split / f"{path.stem}.png").resize(size[::-1], Image.Resampling.NEAREST)
        yield np.array(image), np.array(labels)


def streets(style: str, size: tuple[int, int], count: int) -> Iterator[Scene]:
    """Yield generated streets of a style."""
    for index in range(count):
        scene = render(0, "train", index, size, 4, style)
        yield scene.image, FROM_CITYSCAPES[scene.semseg]


# -- statistics --------------------------------------------------------------------------------------------------------


def statistics(scenes: list[Scene]) -> dict[str, list[float]]:
    """Return for each class: shares of the thirds in percent, mean and deviation of luma, saturation, luma step."""
    images, labels = (np.stack(part) for part in zip(*scenes, strict=True))
    luma = images @ np.array([0.299, 0.587, 0.114])
    saturation = (images.max(-1).astype(float) - images.min(-1)) / np.maximum(images.max(-1), 1)
    step = np.zeros_like(luma)
    step[:, :-1, :-1] = (np.abs(np.diff(luma, axis=1)[:, :, :-1]) + np.abs(np.diff(luma, axis=2)[:, :-1])) / 2
    thirds = np.array_split(np.arange(labels.shape[1]), 3)
    rows = {}
    for number, name in enumerate(CLASSES):
        mask = labels == number
        inner = mask.copy()
        inner[:, :-1, :-1] &= mask[:, 1:, :-1] & mask[:, :-1, 1:]
        inner[:, -1], inner[:, :, -1] = False, False
        if not inner.any():
            continue
        figures = [100 * mask[:, third].mean() for third in thirds]
        figures += [luma[mask].mean(), luma[mask].std(), 100 * saturation[mask].mean(), step[inner].mean()]
        rows[name] = [round(float(figure), 1) for figure in figures]
    return rows


# -- probe -------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def features(encoder: Encoder, scenes: list[Scene], augmentation: Augmentation | None) -> list[tuple[Tensor, Tensor]]:
    """Return (places, channels) features of each image at stride 8, and the classes there."""
    result = []
    for index, (pixels, labels) in enumerate(scenes):
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
        target = torch.from_numpy(labels.astype(np.int64))[None]
        if augmentation is not None:
            batch = Batch(image, {"semseg": Target(target, target != 255)}, torch.tensor([index]))
            batch = augmentation(batch, draw(0, 0, [index]), {"semseg": Semseg(CAMVID_11)})
            image = batch.image
            target = torch.where(batch.targets["semseg"].valid, batch.targets["semseg"].value, 255)
        maps = encoder(image)[1:]
        height, width = maps[1].shape[-2:]
        resized = [
            F.interpolate(x, (height, width), mode="bilinear", align_corners=False, antialias=True) for x in maps
        ]
        row = torch.linspace(-1, 1, height).view(1, 1, -1, 1).expand(1, 1, height, width)
        places = torch.cat([*resized, row], 1)[0].flatten(1).T
        result.append((places, F.interpolate(target[None].float(), (height, width)).long().flatten()))
    return result


def probe(training: list[tuple[Tensor, Tensor]], validation: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Train a head on some features and return its IoU of each class on others, and their mean, in percent."""
    torch.manual_seed(0)
    chosen = []
    for places, ids in training:
        weight = (ids != 255) / torch.bincount(ids, minlength=256)[ids].sqrt()  # sample rare classes more often
        chosen.append((places, ids, torch.multinomial(weight, PLACES, replacement=True)))
    x = torch.cat([places[indices] for places, _, indices in chosen])
    y = torch.cat([ids[indices] for _, ids, indices in chosen])
    mean, std = x.mean(0), x.std(0) + 1e-3
    head = nn.Sequential(nn.Linear(x.shape[1], 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, len(CLASSES)))
    optimizer = torch.optim.AdamW(head.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, STEPS)
    for _ in range(STEPS):
        indices = torch.randint(len(x), (1024,))
        loss = F.cross_entropy(head((x[indices] - mean) / std), y[indices])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    head.eval()
    hits = torch.zeros(len(CLASSES), len(CLASSES))
    with torch.no_grad():
        for places, ids in validation:
            is_labeled = ids != 255
            predicted = head((places[is_labeled] - mean) / std).argmax(1)
            hits += torch.bincount(ids[is_labeled] * len(CLASSES) + predicted, minlength=hits.numel()).view_as(hits)
    iou = 100 * hits.diag() / (hits.sum(0) + hits.sum(1) - hits.diag()).clamp(min=1)
    figures = [float(iou.mean()), *iou.tolist()]
    return {name: round(figure, 1) for name, figure in zip(("miou", *CLASSES), figures, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(180, 240))
    parser.add_argument("--count", type=int, default=100, help="streets of each style, and training photographs")
    parser.add_argument("--measured", type=int, default=34, help="number of validation photographs")
    parser.add_argument("--styles", nargs="+", choices=list(STYLES), default=list(STYLES))
    parser.add_argument("--encoder", default="tf_efficientnet_lite0", help="encoder with ImageNet weights")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON file to write")
    arguments = parser.parse_args()
    size = (arguments.size[0], arguments.size[1])
    encoder = Encoder(arguments.encoder, pretrained=True).eval()
    measured = features(encoder, list(photographs(arguments.photographs, "val", size, arguments.measured)), None)
    scenes_by_name = {"of photographs": list(photographs(arguments.photographs, "train", size, arguments.count))}
    scenes_by_name |= {style: list(streets(style, size, arguments.count)) for style in arguments.styles}
    result: dict[str, object] = {
        "versions": {style: STYLES[style] for style in arguments.styles},
        "size": size,
        "count": arguments.count,
        "measured": arguments.measured,
        "encoder": arguments.encoder,
        "statistics": {name: statistics(scenes) for name, scenes in scenes_by_name.items()},
    }
    probes = {}
    for name, scenes in scenes_by_name.items():
        training = features(encoder, scenes, CAMERA if name == "of photographs" else RENDERED)
        probes[name] = probe(training, measured)
        print(name, probes[name], flush=True)
    result["probes"] = probes
    atomic_write(arguments.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
