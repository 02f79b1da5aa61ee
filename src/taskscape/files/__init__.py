"""Files as they are written and read: whole or not at all, within their folder, within bounds."""

from taskscape.files.atomic import atomic_write, cache_folder, writing

__all__ = ["atomic_write", "cache_folder", "writing"]
