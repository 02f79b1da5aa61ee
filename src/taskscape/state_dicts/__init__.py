"""Reading and writing of state dicts, and matching of their tensors to a network."""

from taskscape.state_dicts.files import has_checksum, located, read, read_safetensors, require_finite, save_safetensors
from taskscape.state_dicts.matching import Match, by_module, match

__all__ = [
    "Match",
    "by_module",
    "has_checksum",
    "located",
    "match",
    "read",
    "read_safetensors",
    "require_finite",
    "save_safetensors",
]
