"""The weights of a file for a timm backbone: all of them, or an error that says what does not fit."""

import io
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from taskscape.models.layers.meta import without_numbers
from taskscape.released import resolve
from taskscape.serialization import listed
from taskscape.state_dicts import Match, by_module, match, read, require_finite

_NAMED = 6
"""How many modules a message names."""


class Fitting(NamedTuple):
    """Weights that fill a backbone."""

    tensors: dict[str, Tensor]
    note: str
    """What was filled and what of the file was not used, in words."""


def fitting(backbone: nn.Module, name: str, path: Path) -> Fitting:
    """Return the weights in ``path`` that fill every tensor of the timm backbone ``name``.

    The file is one of safetensors or ``torch.save``, the folder of a run, or a model by its name; names of tensors may
    begin with anything (``state_dict.module.backbone.``). Where they are those of a model's first publication, or
    positions are those of images of another size, timm's conversion is tried; and where they are those of another
    implementation, the order. What serves classification is not needed.

    Raises ``ValueError`` that says how many tensors fit and which do not, also for the weights of a larger model.
    """
    import timm

    try:
        weights = read(resolve(path))
    except (ValueError, OSError) as error:
        raise ValueError(f"network.pretrained: {error}") from error
    own = backbone.state_dict()
    with without_numbers():
        full = timm.create_model(name)
    found = match(own, weights)
    if found.unfilled and (converted := _converted(weights, full, name)):
        found = max(found, match(own, converted), key=lambda candidate: len(candidate.tensors))
    if found.unfilled and (ordered := _in_order(weights, full)):
        found = match(own, ordered)
    if found.unfilled:
        raise ValueError(
            f"network.pretrained: {path} does not hold weights of {name}: {len(found.tensors)} of {len(own)} tensors "
            f"fit, {_lacking(found, own)}; give weights of {name}, or set network.encoder to the model they are of"
        )
    if larger := _beyond(found, full):
        raise ValueError(
            f"network.pretrained: {path} holds weights of a larger model than {name}: {len(own)} of {len(own)} tensors "
            f"fit, but {listed(by_module(larger, found.unused + list(found.tensors)), _NAMED)} would be left out; set "
            "network.encoder to the model they are of"
        )
    require_finite(found.tensors, f"network.pretrained: {path}")
    note = f"{path} fills {len(own)} of {len(own)} tensors of the encoder {name}"
    if found.unused:
        note += f"; not used: {listed(by_module(found.unused, weights), _NAMED)}"
    return Fitting(found.tensors, note)


def _lacking(found: Match, own: Mapping[str, Tensor]) -> str:
    parts = []
    if found.missing:
        parts.append(f"{len(found.missing)} are missing ({listed(by_module(found.missing, own), _NAMED)})")
    if found.shapes:
        name, (shape, in_file) = next(iter(found.shapes.items()))
        parts.append(f"{len(found.shapes)} are of another shape ({name} is {in_file} instead of {shape}, …)")
    return " and ".join(parts)


def _converted(weights: dict[str, Tensor], full: nn.Module, name: str) -> dict[str, Tensor]:
    """Return the weights as timm converts those of the model's first publication; none where it does not."""
    import timm

    convert = getattr(sys.modules[timm.model_entrypoint(name.split(".")[0]).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return {}
    for beginning in ("", "state_dict.", "model.", "module.", "state_dict.module."):
        inner = {key.removeprefix(beginning): tensor for key, tensor in weights.items() if key.startswith(beginning)}
        try:
            with redirect_stdout(io.StringIO()):  # where timm prints what a model does not have
                converted: Mapping[str, Any] = convert(inner, full)
        except Exception:  # names of another model: timm raises anything here
            continue
        tensors = {key: tensor for key, tensor in converted.items() if isinstance(tensor, Tensor)}
        if _shapes(tensors) != _shapes(inner):  # positions keep their name and get the size of the model
            return tensors
    return {}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _in_order(weights: dict[str, Tensor], full: nn.Module) -> dict[str, Tensor]:
    """Return the weights under the model's names, where all have the same shapes in the same order; else none."""
    own = full.state_dict()
    if [x.shape for x in weights.values()] != [x.shape for x in own.values()]:
        return {}
    return dict(zip(own, weights.values(), strict=True))


def _beyond(found: Match, full: nn.Module) -> list[str]:
    """Return the weights beside those that were used, in the same modules, that the whole model does not have."""
    known = {name.replace("_", ".") for name in full.state_dict()}
    modules = {name for name, _ in full.named_children()}
    heads: Any = getattr(full, "pretrained_cfg", {}).get("classifier") or ()
    modules -= {head.split(".")[0] for head in ([heads] if isinstance(heads, str) else heads)}
    start = len(found.prefix)
    return [
        name
        for name in found.unused
        if name.replace("_", ".").startswith(found.prefix)
        and name.endswith("weight")
        and name[start:].split(".")[0] in modules
        and name[start:].replace("_", ".") not in known
    ]
