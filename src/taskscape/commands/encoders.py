"""The names of timm's encoders, read from its source: importing it would import torch."""

import importlib.util
import re
from pathlib import Path

from taskscape.serialization import nearest


def require_encoder(name: str, flag: str) -> None:
    """Raise ``ValueError`` with the flag and the nearest names where timm has no such model.

    Nothing is said of a name that timm's source has anywhere: a model may be registered in another way.
    """
    spec = importlib.util.find_spec("timm")
    model = name.partition(".")[0]
    if spec is None or spec.origin is None:
        return
    sources = [path.read_text("utf-8") for path in Path(spec.origin).with_name("models").rglob("*.py")]
    if any(re.search(rf"\b{re.escape(model)}\b", source) for source in sources):
        return
    known = [found for source in sources for found in re.findall(r"@register_model\ndef (\w+)", source)]
    if known:
        raise ValueError(f"{flag}: timm has no model {name!r}{nearest(model, known)}")
