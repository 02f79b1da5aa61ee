"""Names of timm's encoders, read from its source code, because importing timm would import torch."""

import importlib.util
import re
from pathlib import Path

from taskscape.serialization import nearest


def require_encoder(name: str, flag: str) -> None:
    """Raise ``ValueError`` with the flag and the nearest names if timm has no such model.

    A name that timm's source defines or quotes is accepted, since models can be registered in several ways.
    """
    spec = importlib.util.find_spec("timm")
    model = name.partition(".")[0]
    if spec is None or spec.origin is None:
        return
    sources = [path.read_bytes() for path in Path(spec.origin).with_name("models").rglob("*.py")]
    word = model.encode()  # searching for the bytes first is a hundred times faster than the regular expression
    if word and any(
        word in source and re.search(rb"(?:def |['\"])%s\b" % re.escape(word), source) for source in sources
    ):
        return
    names = [match.decode() for source in sources for match in re.findall(rb"@register_model\r?\ndef (\w+)", source)]
    if names:
        raise ValueError(f"{flag}: timm has no model {name!r}{nearest(model, names)}")
