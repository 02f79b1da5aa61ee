"""Detect duplicate and near-duplicate images: re-encoded or resized copies, and frames of a static video.

A difference hash has one bit for each pair of neighbors of a 9×8 gray thumbnail: whether the right one is brighter.
Two hashes that differ in at most ``DISTANCE`` bits agree in one of their four 16-bit quarters, so only images that
share a quarter are compared. Pairs are then confirmed by the correlation of larger thumbnails.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from taskscape.modalities.base import Array

DISTANCE = 3
"""Largest number of bits in which the hashes of near-duplicates differ."""
CORRELATION = 0.99
"""Least correlation of the thumbnails of near-duplicates."""
THUMBNAIL = 16
"""Height and width of the thumbnails."""

Thumbnails = npt.NDArray[np.float32]
"""(images, pixels) of mean 0 and length 1; all 0 for an image of one color."""


def fingerprint(image: Array) -> tuple[int, Array]:
    """Return the 64-bit difference hash and the gray thumbnail, uint8, of an (H, W, 3) image in 0..255."""
    gray = Image.fromarray(image).convert("L")
    small = np.asarray(gray.resize((9, 8), Image.Resampling.BOX), np.int16)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return int.from_bytes(bits.tobytes(), "big"), np.asarray(gray.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


def near_duplicates(hashes: Sequence[int], thumbnails: Sequence[Array]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of near-duplicates as positions, in ascending order."""
    codes = np.array(hashes, np.uint64)
    normed = _normed(thumbnails)
    quarters = codes.astype("<u8").view("<u2").reshape(-1, 4)
    pairs: set[tuple[int, int]] = set()
    for quarter in range(4):
        buckets: dict[int, list[int]] = defaultdict(list)
        for index, key in enumerate(quarters[:, quarter].tolist()):
            buckets[key].append(index)
        for bucket in buckets.values():
            members = np.array(bucket)
            for position, index in enumerate(bucket[:-1]):
                others = members[position + 1 :]
                near = others[_distances(codes[others], codes[index]) <= DISTANCE]
                confirmed = near[normed[near] @ normed[index] >= CORRELATION]
                pairs.update((index, int(other)) for other in confirmed)
    yield from sorted(pairs)


def _normed(thumbnails: Sequence[Array]) -> Thumbnails:
    flat = np.stack([thumbnail.ravel() for thumbnail in thumbnails]).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > THUMBNAIL, flat / np.maximum(length, 1), 0)


def _distances(codes: npt.NDArray[np.uint64], code: np.uint64) -> npt.NDArray[np.int64]:
    """Return the Hamming distance of each code from ``code``."""
    different = (codes ^ code).view(np.uint8).reshape(-1, 8)
    return np.asarray(np.unpackbits(different, axis=1).sum(1, dtype=np.int64))
