"""Videos, cameras and watched folders through a network.

The import raises ``ValueError`` with the remedy where PyAV, the extra ``video``, is not installed.
"""

from taskscape.inference.video.library import require_library

require_library()
