"""Check that a label has the aspect ratio of its image; otherwise it would be stretched."""

from pathlib import Path

from taskscape.serialization import show_size

Size = tuple[int, int]
"""Height and width."""
_MOST_TIMES = 16
"""Largest factor by which a label may be smaller or larger than its image."""


def check_aspect(path: Path, shape: tuple[int, ...], image: Size) -> None:
    """Raise ``ValueError`` if a label, (H, W) or (H, W, channels), has a different aspect ratio from its image."""
    label = shape[0], shape[1]
    if fits(label, image):
        return
    if len(shape) == 3 and fits((shape[1], shape[2]), image):
        raise ValueError(
            f"{path} has shape {shape}, with the channels first: save vectors as (H, W, channels), with "
            "numpy.moveaxis(array, 0, -1), and scores of classes as ids, with array.argmax(0)"
        )
    if label[0] * _MOST_TIMES < image[0] and label[1] * _MOST_TIMES < image[1]:
        remedy = "export it in the image's resolution"
    elif label == image[::-1]:
        remedy = "turn or transpose the label"
    else:
        remedy = "crop or export the label as the image"
    raise ValueError(f"{path} is {show_size(label)}, and its image {show_size(image)} (height x width): {remedy}")


def fits(one: Size, other: Size) -> bool:
    """Return whether the aspect ratios are equal up to rounding, and no side is more than 16 times the other."""
    if one == other[::-1] and one[0] != one[1]:
        return False
    if any(n * _MOST_TIMES < m for a, b in ((one, other), (other, one)) for n, m in zip(a, b, strict=True)):
        return False
    difference = abs(one[0] * other[1] - one[1] * other[0])
    return difference <= max(*one, *other)
