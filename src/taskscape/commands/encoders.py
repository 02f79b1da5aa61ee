"""The names of timm's encoders, read from its source: importing it would import torch."""

import importlib.util
import re
from pathlib import Path

from taskscape.serialization import nearest


def require_encoder(name: str, flag: str) -> None:
    """Raise ``ValueError`` with the flag and the nearest names where timm has no such model.

    Nothing is said of a name that timm's source defines or quotes: a model may be registered in another way.
    """
    spec = importlib.util.find_spec("timm")
    model = name.partition(".")[0]
    if spec is None or spec.origin is None:
        return
    sources = [path.read_bytes() for path in Path(spec.origin).with_name("models").rglob("*.py")]
    word = model.encode()  # found as bytes first, which is a hundred times as quick as the expression
    if word and any(
        word in source and re.search(rb"(?:def |['\"])%s\b" % re.escape(word), source) for source in sources
    ):
        return
    known = [found.decode() for source in sources for found in re.findall(rb"@register_model\r?\ndef (\w+)", source)]
    if known:
        raise ValueError(f"{flag}: timm has no model {name!r}{nearest(model, known)}")
