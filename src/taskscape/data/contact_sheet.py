"""Contact sheet of a packed store: some images of every split with their labels, and a key to the colors."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from taskscape.data.manifest import IMAGE, Manifest
from taskscape.data.sample import evenly_spread
from taskscape.data.store import Store
from taskscape.files.paths import printable
from taskscape.modalities.base import Array, Mask
from taskscape.serialization import counted, show_size
from taskscape.views import RgbArray, Swatches, View, view
from taskscape.views.colors import INVALID
from taskscape.views.drawing import LEAST_WIDTH, draw_key, enlarged, in_a_row, shortened, stacked, text

NARROWEST, WIDEST = 160, 320
"""Limits of the width of a shown image, in pixels: narrower images are enlarged, wider ones reduced, by whole factors.
"""
_MARGIN = 110

_Labels = dict[str, tuple[Array, Mask]]
"""By field: values (N, H, W) or (N, H, W, C), and their masks."""


def contact_sheet(folder: Path, images: int) -> RgbArray:
    """Return the contact sheet of a store, (H, W, 3), with up to ``images`` images of each split, evenly spread.

    Names are above the images, labels below them, one row per field; the mean image of the split comes first. All
    images share one color scale per field, which the key at the end explains. Raises the errors of ``Store.open``.
    """
    stores = {split: Store.open(folder, split) for split in Manifest.of(folder).counts}
    chosen = {split: evenly_spread(len(store), images) for split, store in stores.items()}
    labels = {split: _labels(store, chosen[split]) for split, store in stores.items()}
    fields = next(iter(stores.values())).fields
    views = {name: _fitted(view(modality), name, list(labels.values())) for name, modality in fields.items()}
    blocks = [_block(split, store, chosen[split], labels[split], views) for split, store in stores.items()]
    width = max(block.shape[1] for block in blocks)
    return np.pad(stacked([*blocks, *_keys(views, width)]), ((8, 8), (8, 8), (0, 0)), constant_values=255)


def _labels(store: Store, indices: Array) -> _Labels:
    targets = store.gather(indices, tuple(store.fields), torch.device("cpu")).targets
    return {
        name: (modality.to_array(targets[name].value), targets[name].valid.numpy())
        for name, modality in store.fields.items()
    }


def _fitted(field_view: View[Any], name: str, splits: list[_Labels]) -> View[Any]:
    """Return a view with one scale for the labels of all splits."""
    values, valid = (np.concatenate([labels[name][part] for labels in splits]) for part in (0, 1))
    return field_view.fit(values, valid)


def _block(split: str, store: Store, indices: Array, labels: _Labels, views: dict[str, View[Any]]) -> RgbArray:
    """Return the block of one split: its name, the names of the images, the images, and a row per field."""
    image = store.gather(indices, (), torch.device("cpu")).image
    photos = [_sized(photo) for photo in (_mean_image(store), *store.manifest.fields[IMAGE].to_array(image))]
    width = photos[0].shape[1]
    names = ["mean of all", *(printable(store.names[index]) for index in indices)]
    titles = [text(shortened(name, width), width, soft=True) for name in names]
    rows = [in_a_row([text("", _MARGIN), *titles]), _row("image", photos)]
    for name, field_view in views.items():
        values, valid = labels[name]
        colors = [
            _sized(field_view.colorize(pixels, mask), label=True) for pixels, mask in zip(values, valid, strict=True)
        ]
        rows.append(_row(field_view.modality.display_name(name), [np.full_like(photos[0], 255), *colors]))
    title = text(
        f"{split}: {counted(len(store), 'image', 'images')} of {show_size(store.size)}", max(rows[0].shape[1], 400)
    )
    gap = np.full((6, 1, 3), 255, np.uint8)
    return stacked([title, *(part for row in rows for part in (row, gap)), gap, gap])


def _row(name: str, pictures: list[RgbArray]) -> RgbArray:
    return in_a_row([text(shortened(name, _MARGIN), _MARGIN), *pictures])


def _sized(picture: RgbArray, label: bool = False) -> RgbArray:
    """Return a picture scaled to a width within the limits; the colors of a label are not mixed."""
    step = -(-picture.shape[1] // WIDEST)
    if label:
        picture = picture[::step, ::step]
    elif step > 1:
        picture = np.asarray(Image.fromarray(picture).reduce(step))
    return enlarged(picture, NARROWEST)


def _keys(views: dict[str, View[Any]], width: int) -> list[RgbArray]:
    """Return the color keys of the fields, as many side by side as fit into the width."""
    keys = [
        stacked([text(field_view.modality.display_name(name), LEAST_WIDTH), draw_key(field_view.key(), LEAST_WIDTH)])
        for name, field_view in views.items()
        if field_view.key()
    ]
    columns = max((width + 40) // (LEAST_WIDTH + 40), 1)
    gap = np.full((1, 32, 3), 255, np.uint8)
    lines = [keys[i : i + columns] for i in range(0, len(keys), columns)]
    rows = [in_a_row([part for key in line for part in (key, gap)]) for line in lines]
    return [*rows, draw_key([Swatches([("no label", INVALID)])], LEAST_WIDTH)]


def _mean_image(store: Store) -> RgbArray:
    total = np.zeros((*store.size, 3))
    for indices in np.array_split(np.arange(len(store)), -(-len(store) // 16)):
        total += store.gather(indices, (), torch.device("cpu")).image.sum(0).permute(1, 2, 0).numpy()
    return np.rint(255 * total / len(store)).astype(np.uint8)
