"""Reading and writing files: atomically, only within their folder, and with limits on their size."""

from taskscape.files.atomic import atomic_write, cache_folder, writing
from taskscape.files.empty import remove_if_empty
from taskscape.files.lock import locked
from taskscape.files.room import require_room
from taskscape.files.together import written_together

__all__ = [
    "atomic_write",
    "cache_folder",
    "locked",
    "remove_if_empty",
    "require_room",
    "writing",
    "written_together",
]
