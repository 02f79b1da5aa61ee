"""Class sets and the maps between them."""

import numpy as np
import pytest

from taskscape.modalities.class_sets import (
    CITYSCAPES_2,
    CITYSCAPES_19,
    IGNORE_INDEX,
    NYUV2_40,
    ClassSet,
    label_map,
)


def test_labels_map_where_a_map_is_known() -> None:
    table = label_map(CITYSCAPES_19, CITYSCAPES_2)
    assert [int(table[i]) for i in (0, 10, 11, 18, 19, IGNORE_INDEX)] == [0, 0, 1, 1, IGNORE_INDEX, IGNORE_INDEX]
    assert (label_map(NYUV2_40, NYUV2_40)[:40] == np.arange(40)).all()
    with pytest.raises(ValueError, match="'nyuv2-40' cannot become 'cityscapes-19'"):
        label_map(NYUV2_40, CITYSCAPES_19)


def test_class_sets_are_consistent() -> None:
    with pytest.raises(ValueError, match=r"2 names but 1 color$"):
        ClassSet("x", ("a", "b"), ((0, 0, 0),))
    with pytest.raises(ValueError, match="occurs twice"):
        ClassSet("x", ("a", "a"), ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(ValueError, match="300 classes, but 8-bit ids allow at most 255"):
        ClassSet("x", tuple(map(str, range(300))))
    assert CITYSCAPES_19.colors()[10].tolist() == [70, 130, 180]
    assert CITYSCAPES_19.colors()[IGNORE_INDEX].tolist() == [0, 0, 0]


def test_classes_without_a_palette_have_colors_of_their_own() -> None:
    names = tuple(f"class {number}" for number in range(40))
    colors = ClassSet("mine", names).palette
    assert len(set(colors)) == 40 and (0, 0, 0) not in colors
