"""Compares the sizes of images and labels before anything is read."""

from collections.abc import Sequence

from taskscape.data.readers.base import RawSample
from taskscape.data.readers.images import likely_size_of, pages_of, size_of
from taskscape.data.readers.samples import read_samples, stored_size
from taskscape.serialization import show_size

Size = tuple[int, int]
_MOST_TIMES = 16
"""By which a label may be smaller or larger than its image."""


def check_sizes(samples: Sequence[RawSample], size: Size | None) -> list[str]:
    """Compare the aspect ratio of every label with that of its image, from the heads of the files.

    Returns sentences about images whose aspect ratio the store, of this size or that of the first image, will change.
    Raises ``ValueError`` that names a label of another aspect ratio.
    """
    others, paged = [], []
    for sample in samples:
        image = sample.files["image"]
        native = likely_size_of(image)
        size = size or native
        for name, path in sample.files.items():
            if name != "image" and not fits(stored_size(path), native):
                # Some orientations are only known when the file is decoded.
                native, label = size_of(image), read_samples(path)
                try:
                    check_aspect(label.size, native, label.values.shape)
                except ValueError as error:
                    raise ValueError(f"{path} {error}") from error
        if not fits(native, size):
            others.append((sample.name, native))
        if pages_of(image) > 1:
            paged.append(image)
    notes = []
    if paged:
        notes.append(
            f"{len(paged)} of {len(samples)} image files hold several images, such as {paged[0].name}, and the first "
            "of each is used: save the others as files of their own if they count"
        )
    if not others or size is None:
        return notes
    name, native = others[0]
    return [
        *notes,
        f"{len(others)} of {len(samples)} images have another aspect ratio than the store's {show_size(size)}, such as "
        f"{name} with {show_size(native)}: they and their labels will be stretched; crop them first, or keep them in a "
        "folder of their own",
    ]


def check_aspect(label: Size, image: Size, shape: tuple[int, ...] = ()) -> None:
    """Raise ``ValueError``, to follow the path of the label, where it has another aspect ratio than its image.

    ``shape`` is that of the label's array, if it is known.
    """
    if not fits(label, image):
        if len(shape) == 3 and fits((shape[1], shape[2]), image):
            raise ValueError(
                f"has shape {shape}, with the channels first: save vectors as (H, W, channels), with "
                "numpy.moveaxis(array, 0, -1), and scores of classes as ids, with array.argmax(0)"
            )
        if label[0] * _MOST_TIMES < image[0] and label[1] * _MOST_TIMES < image[1]:
            raise ValueError(
                f"is {show_size(label)}, and its image {show_size(image)} (height x width): export it in the image's "
                "resolution"
            )
        turned = label == image[::-1]
        remedy = "turn or transpose the label" if turned else "crop or export the label as the image"
        raise ValueError(f"is {show_size(label)}, and its image {show_size(image)} (height x width): {remedy}")


def fits(one: Size, other: Size) -> bool:
    """Return whether the aspect ratios are equal, as far as rounded sizes can be."""
    if one == other[::-1] and one[0] != one[1]:
        return False
    if any(n * _MOST_TIMES < m for a, b in ((one, other), (other, one)) for n, m in zip(a, b, strict=True)):
        return False
    difference = abs(one[0] * other[1] - one[1] * other[0])
    return difference <= max(*one, *other)
