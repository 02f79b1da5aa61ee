"""Which tensors of a file fit which of a network, whatever the file's names begin with."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from taskscape.state_dicts.low_rank import ORIGINAL, merged

COUNTER = "num_batches_tracked"
"""A buffer of batch normalization that early files lack, and that changes no output."""


@dataclass(frozen=True)
class Match:
    """What fits, and what does not."""

    tensors: dict[str, Tensor]
    """What fits, by the network's names."""
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    """Tensors of the network of another shape in the file: its own shape, and that in the file."""
    missing: list[str]
    """Tensors of the network that the file lacks, or has as whole numbers; counters of batches are not among them."""
    unused: list[str]
    """Tensors of the file, by its names, that no tensor of the network has taken."""
    prefix: str
    """What the names in the file begin with, such as ``encoder.backbone.``, with dots for underscores."""

    @property
    def unfilled(self) -> list[str]:
        """The tensors of the network that the file does not fill."""
        return [*self.shapes, *self.missing]


def match(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Match:
    """Match the tensors of a file with those of a network.

    Names may begin with anything in the file: ``state_dict``, ``module``, ``model``, ``backbone``, ``encoder``, in any
    depth. The beginning with the most tensors of right name and shape is taken. A dot and an underscore are the same,
    as timm writes ``stages_0`` for ``stages.0``. Adapters of low rank in the file are added to their weights; those of
    the network are missing then, and start anew.
    """
    weights = merged(weights)
    names = _stripped({_parts(name): name for name in own})
    theirs = {_parts(name): name for name in weights}
    prefixes: Counter[tuple[str, ...]] = Counter()
    for parts, name in theirs.items():
        for start in range(len(parts)):
            if (fits := names.get(parts[start:])) and _same_kind(own[fits], weights[name]):
                prefixes[parts[:start]] += 1
    prefix = max(prefixes, key=prefixes.__getitem__, default=())
    tensors, shapes, missing, used = {}, {}, [], set()
    for parts, name in names.items():
        theirs_name = theirs.get(prefix + parts)
        if theirs_name is None or own[name].is_floating_point() != weights[theirs_name].is_floating_point():
            if not name.endswith(COUNTER):
                missing.append(name)
            continue
        used.add(theirs_name)
        if own[name].shape == weights[theirs_name].shape:
            tensors[name] = weights[theirs_name]
        else:
            shapes[name] = tuple(own[name].shape), tuple(weights[theirs_name].shape)
    unused = [name for name in weights if name not in used]
    return Match(tensors, shapes, missing, unused, "".join(part + "." for part in prefix))


def _same_kind(own: Tensor, other: Tensor) -> bool:
    return own.shape == other.shape and own.is_floating_point() == other.is_floating_point()


def by_module(names: Iterable[str], all_names: Iterable[str]) -> list[str]:
    """Return the largest modules, of a network with ``all_names``, of which every tensor is among ``names``."""
    names, outside = list(names), set()
    for name in set(all_names) - set(names):
        outside |= {name[:end] for end in _ends(name)}
    modules = [next((name[:end] for end in _ends(name) if name[:end] not in outside), name) for name in names]
    return list(dict.fromkeys(modules))


def _ends(name: str) -> list[int]:
    """Return where each module on the way to a tensor ends in its name."""
    return [position for position, letter in enumerate(name) if letter == "."]


def _parts(name: str) -> tuple[str, ...]:
    if name.endswith(ORIGINAL):  # a weight with an adapter goes by its plain name
        name = name.removesuffix(ORIGINAL) + "weight"
    return tuple(name.replace("_", ".").split("."))


def _stripped(names: dict[tuple[str, ...], str]) -> dict[tuple[str, ...], str]:
    """Return the names without what all begin with."""
    common = 0
    while len({parts[: common + 1] for parts in names}) == 1 and all(len(parts) > common + 1 for parts in names):
        common += 1
    return {parts[common:]: name for parts, name in names.items()}
