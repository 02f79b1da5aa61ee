"""Settings and other dataclasses as plain values: read within bounds, checked against declared ranges, written back."""

from taskscape.serialization.structured import (
    bare,
    dump,
    is_offered,
    keep_code,
    load_name,
    nearest,
    offer,
    offered,
    parse,
    structure,
    unstructure,
    user_modules,
)

__all__ = [
    "bare",
    "dump",
    "is_offered",
    "keep_code",
    "load_name",
    "nearest",
    "offer",
    "offered",
    "parse",
    "structure",
    "unstructure",
    "user_modules",
]
