"""Predict videos, camera streams and watched folders.

Importing this package raises ``ValueError`` if PyAV, the extra ``video``, is not installed.
"""

from taskscape.inference.video.library import require_library

require_library()
