"""Load the weights of a timm backbone from a file: either all of them, or an error that lists what does not fit."""

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

_MAX_NAMED = 6
"""The number of modules that a message names."""


class Fitting(NamedTuple):
    """Weights that fill a backbone."""

    tensors: dict[str, Tensor]
    note: str
    """A message about the tensors that were filled and the parts of the file that were not used."""


def fitting_weights(backbone: nn.Module, name: str, path: Path) -> Fitting:
    """Return the weights in ``path`` that fill every tensor of the timm backbone ``name``.

    ``path`` is a file of safetensors or ``torch.save``, a run folder, or the name of a model. Tensor names may have any
    prefix (``state_dict.module.backbone.``). If the names do not match, timm's conversion is tried, which handles the
    names of a model's original publication and position embeddings for other image sizes. If that fails too, tensors
    are matched by order, which handles other implementations. The classifier's weights are not needed.

    Raises ``ValueError`` that tells how many tensors fit and which do not, also for the weights of a larger model.
    """
    import timm

    try:
        weights = read(resolve(path))
    except (ValueError, OSError) as error:
        raise ValueError(f"network.pretrained: {error}") from error
    expected = backbone.state_dict()
    with without_numbers():
        full_model = timm.create_model(name)
    matched = match(expected, weights)
    if matched.unfilled and (converted := _converted_by_timm(weights, full_model, name)):
        matched = max(matched, match(expected, converted), key=lambda candidate: len(candidate.tensors))
    if matched.unfilled and (ordered := _renamed_by_order(weights, full_model)):
        matched = match(expected, ordered)
    if matched.unfilled:
        raise ValueError(
            f"network.pretrained: {path} does not hold weights of {name}: {len(matched.tensors)} of {len(expected)} "
            f"tensors fit, {_misfits(matched, expected)}; give weights of {name}, or set network.encoder to the model "
            "they are of"
        )
    if extra := _extra_weights(matched, full_model):
        raise ValueError(
            f"network.pretrained: {path} holds weights of a larger model than {name}: {len(expected)} of "
            f"{len(expected)} tensors fit, but "
            f"{listed(by_module(extra, matched.unused + list(matched.tensors)), _MAX_NAMED)} would be left out; set "
            "network.encoder to the model they are of"
        )
    require_finite(matched.tensors, f"network.pretrained: {path}")
    note = f"{path} fills {len(expected)} of {len(expected)} tensors of the encoder {name}"
    if matched.unused:
        note += f"; not used: {listed(by_module(matched.unused, weights), _MAX_NAMED)}"
    return Fitting(matched.tensors, note)


def _misfits(matched: Match, expected: Mapping[str, Tensor]) -> str:
    parts = []
    if matched.missing:
        parts.append(f"{len(matched.missing)} are missing ({listed(by_module(matched.missing, expected), _MAX_NAMED)})")
    if matched.shapes:
        name, (shape, in_file) = next(iter(matched.shapes.items()))
        parts.append(f"{len(matched.shapes)} are of another shape ({name} is {in_file} instead of {shape}, …)")
    return " and ".join(parts)


def _converted_by_timm(weights: dict[str, Tensor], full_model: nn.Module, name: str) -> dict[str, Tensor]:
    """Return the weights converted by timm from the model's original publication; empty if timm converts nothing."""
    import timm

    convert = getattr(sys.modules[timm.model_entrypoint(name.split(".")[0]).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return {}
    for prefix in ("", "state_dict.", "model.", "module.", "state_dict.module."):
        stripped = {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
        try:
            with redirect_stdout(io.StringIO()):  # timm prints what the model lacks
                converted: Mapping[str, Any] = convert(stripped, full_model)
        except Exception:  # for the names of another model, timm raises arbitrary errors
            continue
        tensors = {key: tensor for key, tensor in converted.items() if isinstance(tensor, Tensor)}
        if _shapes(tensors) != _shapes(stripped):  # positions keep their name but get the model's size
            return tensors
    return {}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _renamed_by_order(weights: dict[str, Tensor], full_model: nn.Module) -> dict[str, Tensor]:
    """Return the weights under the model's names if all shapes agree in the same order; otherwise an empty dict."""
    expected = full_model.state_dict()
    if [x.shape for x in weights.values()] != [x.shape for x in expected.values()]:
        return {}
    return dict(zip(expected, weights.values(), strict=True))


def _extra_weights(matched: Match, full_model: nn.Module) -> list[str]:
    """Return the unused weights in the same modules as the used ones that the complete model does not have."""
    model_names = {name.replace("_", ".") for name in full_model.state_dict()}
    modules = {name for name, _ in full_model.named_children()}
    heads: Any = getattr(full_model, "pretrained_cfg", {}).get("classifier") or ()
    modules -= {head.split(".")[0] for head in ([heads] if isinstance(heads, str) else heads)}
    start = len(matched.prefix)
    return [
        name
        for name in matched.unused
        if name.replace("_", ".").startswith(matched.prefix)
        and name.endswith("weight")
        and name[start:].split(".")[0] in modules
        and name[start:].replace("_", ".") not in model_names
    ]
