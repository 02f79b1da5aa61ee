"""Find images and labels that occur more than once in a store."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from taskscape.data.duplicates import fingerprint, near_duplicates
from taskscape.modalities import Modality
from taskscape.modalities.base import Array, Mask
from taskscape.serialization import counted


class Twins:
    """Collection of images and labels in which duplicates are found."""

    def __init__(self, fields: Mapping[str, Modality]) -> None:
        self.images: list[str] = []
        """``SPLIT/NAME`` of each."""
        self.digests: list[bytes] = []
        self.hashes: list[int] = []
        self.thumbnails: list[Array] = []
        self.labels: dict[str, dict[bytes, list[int]]] = {name: defaultdict(list) for name in fields}
        """Per field: positions of images, by the digest of their label."""

    def add_image(self, name: str, image: Array) -> None:
        """Add an image, (H, W, 3) uint8, named ``SPLIT/NAME``."""
        hash_code, thumbnail = fingerprint(image)
        self.images.append(name)
        self.digests.append(_digest(image))
        self.hashes.append(hash_code)
        self.thumbnails.append(thumbnail)

    def add_label(self, field: str, values: Array, valid: Mask) -> None:
        """Add a label of the last added image; labels of a single value are ignored."""
        pixels = values[valid]
        if len(pixels) and (pixels != pixels[0]).any():
            self.labels[field][_digest(values, valid)].append(len(self.images) - 1)

    def warnings(self) -> list[str]:
        """Return warnings about images and labels that occur more than once."""
        return [*self._same_images(), *self._near_duplicates(), *self._same_labels()]

    def _same_images(self) -> Iterable[str]:
        by_digest: dict[bytes, list[str]] = defaultdict(list)
        for digest, name in zip(self.digests, self.images, strict=True):
            by_digest[digest].append(name)
        groups = [names for names in by_digest.values() if len(names) > 1]
        across = [names for names in groups if len(set(map(_split, names))) > 1]
        within = [names for names in groups if len(set(map(_split, names))) == 1]
        if across:
            first, second = across[0][0], next(name for name in across[0] if _split(name) != _split(across[0][0]))
            yield (
                f"{counted(len(across), 'image is', 'images are')} in two splits, such as {first} = "
                f"{second}: results on such images say nothing, keep each in one split only"
            )
        if within:
            yield (
                f"{counted(len(within), 'image occurs', 'images occur')} twice in a split, such as "
                f"{' = '.join(within[0][:2])}: keep one of each, unless it is meant to count twice"
            )

    def _near_duplicates(self) -> Iterable[str]:
        pairs = [
            (self.images[a], self.images[b])
            for a, b in near_duplicates(self.hashes, self.thumbnails)
            if self.digests[a] != self.digests[b]
        ]
        across = [pair for pair in pairs if _split(pair[0]) != _split(pair[1])]
        within = [pair for pair in pairs if _split(pair[0]) == _split(pair[1])]
        if across:
            num_alike = len({b for _, b in across})
            yield (
                f"{counted(num_alike, 'image is', 'images are')} nearly the same as one of another split, such as "
                f"{' and '.join(across[0])}: results on such images say little, keep frames of one scene in one split"
            )
        if within:
            num_alike = len({b for _, b in within})
            yield (
                f"{counted(num_alike, 'image is', 'images are')} nearly the same as another of the same split, "
                f"such as {' and '.join(within[0])}: they add little, and a split by order keeps them together"
            )

    def _same_labels(self) -> Iterable[str]:
        for name, groups in self.labels.items():
            shared = [indices for indices in groups.values() if len({self.digests[index] for index in indices}) > 1]
            if shared:
                first, second = (self.images[index] for index in shared[0][:2])
                yield (
                    f"{sum(map(len, shared))} images share their {name} label with another image, such as {first} and "
                    f"{second}: check that every label belongs to its image"
                )


def _split(name: str) -> str:
    return name.partition("/")[0]


def _digest(*arrays: Array) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
