"""Compare the sizes of images and labels before pixels are read."""

from collections.abc import Sequence
from pathlib import Path

from taskscape.data.readers.aspect import Size, check_aspect, fits, is_multiple
from taskscape.data.readers.base import RawSample
from taskscape.data.readers.images import likely_size_of, pages_of, size_of
from taskscape.data.readers.samples import read_samples, stored_size
from taskscape.serialization import agreeing, show_size


def check_sizes(samples: Sequence[RawSample], size: Size | None) -> list[str]:
    """Compare the size of every label with that of its image, using file headers.

    Returns sentences about images whose aspect ratio will change in the store, which has this size or that of the first
    image, about labels that may have been cropped, and about files with several images. Raises ``ValueError`` that
    names a label whose aspect ratio differs from that of its image.
    """
    stretched, paged = [], []
    scaled: dict[str, list[tuple[Path, Size, Size]]] = {}
    size = size or size_of(samples[0].files["image"])
    for sample in samples:
        image = sample.files["image"]
        native = likely_size_of(image)
        for name, path in sample.files.items():
            if name == "image":
                continue
            label = stored_size(path)
            if not fits(label, native):
                # Some orientations are only known after decoding the file.
                native = size_of(image)
                check_aspect(path, read_samples(path).values.shape, native)
            elif not (is_multiple(native, label) or is_multiple(label, native)):
                scaled.setdefault(name, []).append((path, label, native))
        if not fits(native, size):
            stretched.append((sample.name, native))
        if pages_of(image) > 1:
            paged.append(image)
    notes = [_scaled_sentence(name, *cases[0], len(cases)) for name, cases in scaled.items()]
    if paged:
        notes.append(
            f"{len(paged)} of {len(samples)} image files {agreeing(len(paged), 'holds', 'hold')} several images, such "
            f"as {paged[0].name}, and the first of each is used: save the others as separate files if needed"
        )
    if not stretched:
        return notes
    name, native = stretched[0]
    return [
        *notes,
        f"{len(stretched)} of {len(samples)} images {agreeing(len(stretched), 'has', 'have')} another aspect ratio "
        f"than the store's {show_size(size)}, such as {name} with {show_size(native)}: such images and their labels "
        "will be stretched; crop them first, or keep them in a separate folder",
    ]


def _scaled_sentence(name: str, path: Path, label: Size, image: Size, count: int) -> str:
    return (
        f"{count} {name} {agreeing(count, 'label', 'labels')} of another size than the image, such as {path.name} with "
        f"{show_size(label)} for {show_size(image)}, {agreeing(count, 'is', 'are')} scaled to it: if only one of both "
        "was cropped, crop the other too"
    )
