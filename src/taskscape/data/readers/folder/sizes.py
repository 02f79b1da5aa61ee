"""Compares the sizes of images and labels before anything is read."""

from collections.abc import Sequence

from taskscape.data.readers.base import RawSample
from taskscape.data.readers.images import likely_size_of, size_of
from taskscape.data.readers.samples import read_samples, stored_size

Size = tuple[int, int]


def check_sizes(samples: Sequence[RawSample], size: Size | None) -> list[str]:
    """Compare the aspect ratio of every label with that of its image, from the heads of the files.

    Returns sentences about images whose aspect ratio the store, of this size or that of the first image, will change.
    Raises ``ValueError`` that names a label of another aspect ratio.
    """
    others = []
    for sample in samples:
        image = sample.files["image"]
        native = likely_size_of(image)
        size = size or native
        for name, path in sample.files.items():
            if name != "image" and not fits(stored_size(path), native):
                # Some orientations are only known when the file is decoded.
                native, label = size_of(image), read_samples(path).size
                try:
                    check_aspect(label, native)
                except ValueError as error:
                    raise ValueError(f"{path} {error}") from error
        if not fits(native, size):
            others.append((sample.name, native))
    if not others or size is None:
        return []
    name, native = others[0]
    return [
        f"{len(others)} of {len(samples)} images have another aspect ratio than the store's {shown(size)}, such as "
        f"{name} with {shown(native)}: they and their labels will be stretched; crop them first, or keep them in a "
        "folder of their own"
    ]


def check_aspect(label: Size, image: Size) -> None:
    """Raise ``ValueError``, to follow the path of the label, where it has another aspect ratio than its image."""
    if not fits(label, image):
        turned = label == image[::-1]
        remedy = "turn or transpose the label" if turned else "crop or export the label as the image"
        raise ValueError(f"is {shown(label)}, and its image {shown(image)} (height × width): {remedy}")


def fits(one: Size, other: Size) -> bool:
    """Return whether the aspect ratios are equal, as far as rounded sizes can be."""
    if one == other[::-1] and one[0] != one[1]:
        return False
    difference = abs(one[0] * other[1] - one[1] * other[0])
    return difference <= max(sum(one), sum(other))


def shown(size: Size) -> str:
    """Return a size for a sentence."""
    return f"{size[0]} × {size[1]}"
