"""Conversion of settings and other dataclasses from and to plain values, with limits on size and declared ranges."""

from taskscape.serialization.by_name import ByName
from taskscape.serialization.kinds import bare, is_size, members
from taskscape.serialization.listed import agreeing, counted, listed
from taskscape.serialization.nearest import nearest
from taskscape.serialization.offers import is_offered, offer, offered
from taskscape.serialization.short import short
from taskscape.serialization.sizes import read_size, show_size
from taskscape.serialization.structured import dump, parse, structure, unstructure
from taskscape.serialization.user_code import keep_code, load_name, location_in_user_code, named, user_modules

__all__ = [
    "ByName",
    "agreeing",
    "bare",
    "counted",
    "dump",
    "is_offered",
    "is_size",
    "keep_code",
    "listed",
    "load_name",
    "location_in_user_code",
    "members",
    "named",
    "nearest",
    "offer",
    "offered",
    "parse",
    "read_size",
    "short",
    "show_size",
    "structure",
    "unstructure",
    "user_modules",
]
