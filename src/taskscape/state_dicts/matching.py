"""Matching of a file's tensors to those of a network, whatever prefix the names in the file have."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from taskscape.state_dicts.low_rank import ORIGINAL, merged

COUNTER = "num_batches_tracked"
"""A buffer of batch normalization that old files lack and that does not affect outputs."""


@dataclass(frozen=True)
class Match:
    """The result of matching a file with a network."""

    tensors: dict[str, Tensor]
    """Matching tensors, by the network's names."""
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    """Tensors with a different shape in the file: the shape in the network, and that in the file."""
    missing: list[str]
    """Tensors that the file lacks, or has as integers instead of floats or vice versa; batch counters excepted."""
    unused: list[str]
    """Tensors of the file, by its names, that match no tensor of the network."""
    prefix: str
    """Common prefix of the names in the file, such as ``encoder.backbone.``, with dots for underscores."""

    @property
    def unfilled(self) -> list[str]:
        """Names of the network's tensors that the file does not provide."""
        return [*self.shapes, *self.missing]


def match(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Match:
    """Match the tensors of a file with those of a network.

    Names in the file may have any prefix: ``state_dict``, ``module``, ``model``, ``backbone``, ``encoder``, nested to
    any depth. The prefix with the most tensors of matching name and shape is used. Dots and underscores are equivalent,
    since timm writes ``stages_0`` for ``stages.0``, unless this makes two names of the network or file equal. Low-rank
    adapters in the file are merged into their weights; adapters of the network then count as missing and start from
    their initial values.
    """
    weights = merged(weights)
    separators = "._"
    if any(len({_parts(name, separators) for name in names}) < len(names) for names in (own, weights)):
        separators = "."  # for tasks such as depth and depth_0
    network_names = _stripped({_parts(name, separators): name for name in own})
    names_in_file = {_parts(name, separators): name for name in weights}
    prefixes: Counter[tuple[str, ...]] = Counter()
    for parts, name in names_in_file.items():
        for start in range(len(parts)):
            if (candidate := network_names.get(parts[start:])) and _same_shape_and_type(own[candidate], weights[name]):
                prefixes[parts[:start]] += 1
    prefix = max(prefixes, key=prefixes.__getitem__, default=())
    tensors, shapes, missing, used = {}, {}, [], set()
    for parts, name in network_names.items():
        name_in_file = names_in_file.get(prefix + parts)
        if name_in_file is None or own[name].is_floating_point() != weights[name_in_file].is_floating_point():
            if not name.endswith(COUNTER):
                missing.append(name)
            continue
        used.add(name_in_file)
        if own[name].shape == weights[name_in_file].shape:
            tensors[name] = weights[name_in_file]
        else:
            shapes[name] = tuple(own[name].shape), tuple(weights[name_in_file].shape)
    unused = [name for name in weights if name not in used]
    return Match(tensors, shapes, missing, unused, "".join(part.replace("_", ".") + "." for part in prefix))


def _same_shape_and_type(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.is_floating_point() == b.is_floating_point()


def by_module(names: Iterable[str], all_names: Iterable[str]) -> list[str]:
    """Return the largest modules with all their tensors among ``names``, in a network with ``all_names``."""
    names, outside = list(names), set()
    for name in set(all_names) - set(names):
        outside |= {name[:end] for end in _ends(name)}
    modules = [next((name[:end] for end in _ends(name) if name[:end] not in outside), name) for name in names]
    return list(dict.fromkeys(modules))


def _ends(name: str) -> list[int]:
    """Return the positions in a tensor's name where the name of each enclosing module ends."""
    return [position for position, letter in enumerate(name) if letter == "."]


def _parts(name: str, separators: str) -> tuple[str, ...]:
    if name.endswith(ORIGINAL):  # a weight with an adapter is matched by its plain name
        name = name.removesuffix(ORIGINAL) + "weight"
    return tuple(re.split(f"[{separators}]", name))


def _stripped(names: dict[tuple[str, ...], str]) -> dict[tuple[str, ...], str]:
    """Return the names without their common prefix."""
    common = 0
    while len({parts[: common + 1] for parts in names}) == 1 and all(len(parts) > common + 1 for parts in names):
        common += 1
    return {parts[common:]: name for parts, name in names.items()}
