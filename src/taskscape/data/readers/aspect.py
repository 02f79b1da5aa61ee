"""Check that a label has the aspect ratio of its image; otherwise it would be stretched."""

from pathlib import Path

from taskscape.serialization import show_size

Size = tuple[int, int]
"""Height and width."""
_MAX_FACTOR = 16
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
    if label[0] * _MAX_FACTOR < image[0] and label[1] * _MAX_FACTOR < image[1]:
        remedy = "export it in the image's resolution"
    elif label == image[::-1]:
        remedy = "turn or transpose the label"
    else:
        remedy = "crop or export the label as the image"
    raise ValueError(f"{path} is {show_size(label)}, and its image {show_size(image)} (height x width): {remedy}")


def fits(a: Size, b: Size) -> bool:
    """Return whether the aspect ratios are equal up to rounding, and no side is more than 16 times the other."""
    if a == b[::-1] and a[0] != a[1]:
        return False
    if any(n * _MAX_FACTOR < m for smaller, larger in ((a, b), (b, a)) for n, m in zip(smaller, larger, strict=True)):
        return False
    difference = abs(a[0] * b[1] - a[1] * b[0])
    return difference <= max(*a, *b)


def is_multiple(large: Size, small: Size) -> bool:
    """Return whether both sides are the same whole multiple of those of ``small``, up to rounding."""
    factor = max(1, round(large[0] / small[0]))
    return all(abs(n - factor * m) <= factor for n, m in zip(large, small, strict=True))
