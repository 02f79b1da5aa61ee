"""PyAV, which reads and writes videos: an extra."""

from importlib.util import find_spec
from pathlib import Path

REMEDY = "pip install 'taskscape[video]'"
ENCODER = "libx264"
"""H.264, which every player and browser shows."""


def require_library() -> None:
    """Raise ``ValueError`` with the remedy where PyAV, or its encoder, is not installed: before any long work."""
    if find_spec("av") is None:
        raise ValueError(f"videos need PyAV, which is not installed: {REMEDY}")
    import av.codec

    if ENCODER not in av.codec.codecs_available:
        raise ValueError(
            f"this PyAV {av.__version__} has no encoder {ENCODER}, which writes H.264: install the one of the package "
            f"index with pip install --force-reinstall av"
        )


def address(path: Path) -> str:
    """Return a path as FFmpeg takes it: a colon in it is then no protocol."""
    return f"file:{path}"
