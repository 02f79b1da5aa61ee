"""Files as they are written and read: whole or not at all, within their folder, within bounds."""

from taskscape.files.atomic import atomic_write, cache_folder, writing
from taskscape.files.lock import locked
from taskscape.files.room import require_room
from taskscape.files.together import written_together

__all__ = ["atomic_write", "cache_folder", "locked", "require_room", "writing", "written_together"]
