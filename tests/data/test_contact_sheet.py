"""The contact sheet of a packed store."""

from pathlib import Path

import numpy as np
import pytest

from taskscape.batch import Sample
from taskscape.data import StoreWriter
from taskscape.data.contact_sheet import contact_sheet
from taskscape.modalities import ClassSet, Depth, Semseg
from taskscape.views.colors import INVALID, color_table

PALETTE = ((1, 200, 3), (40, 50, 60), (255, 0, 1))
FIELDS = {"parts": Semseg(ClassSet("own", ("a", "b", "never seen"), PALETTE)), "depth": Depth()}


def store(path: Path, size: tuple[int, int], count: int) -> Path:
    """Write images of two classes, each farther away than the previous one."""
    writer = StoreWriter(path, size, {"train": count, "val": 1}, FIELDS, {"kind": "test"})
    for split, images in (("train", count), ("val", 1)):
        for i in range(images):
            valid = np.ones(size, np.bool_)
            valid[0] = False
            writer.put(
                split,
                i,
                Sample(
                    {
                        "image": np.full((*size, 3), 9 * i, np.uint8),
                        "parts": np.full(size, i % 2, np.uint8),
                        "depth": np.full(size, 2.0**i, np.float32),
                    },
                    {"parts": valid, "depth": valid},
                    f"street [{i}]",
                ),
            )
    writer.finish()
    return path


def colors(picture: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, np.unique(picture.reshape(-1, 3), axis=0).tolist()))


@pytest.mark.parametrize("size", [(4, 6), (9, 700)])
def test_it_has_every_class_in_its_color_and_one_scale_of_depth(tmp_path: Path, size: tuple[int, int]) -> None:
    sheet = contact_sheet(store(tmp_path / "store", size, 6), 3)
    shown = colors(sheet)
    assert {*PALETTE, INVALID, tuple(color_table("magma_r")[0]), tuple(color_table("magma_r")[-1])} <= shown
    assert sheet.shape[1] < 6 * 400


def test_more_images_make_it_wider_up_to_what_there_are(tmp_path: Path) -> None:
    path = store(tmp_path / "store", (4, 200), 4)
    widths = [contact_sheet(path, images).shape[1] for images in (1, 4, 9)]
    assert widths[0] < widths[1] == widths[2]
