"""Check for PyAV, the optional library that reads and writes videos."""

from importlib.util import find_spec
from pathlib import Path

ENCODER = "libx264"
"""Encoder for H.264, which every player and browser supports."""


def require_library() -> None:
    """Raise ``ValueError`` before any long work if PyAV or its encoder is not installed."""
    if find_spec("av") is None:
        raise ValueError("videos need PyAV, which is not installed: pip install 'taskscape[video]'")
    import av.codec

    if ENCODER not in av.codec.codecs_available:
        raise ValueError(
            f"this PyAV {av.__version__} lacks the encoder {ENCODER}, which writes H.264: install PyAV from the "
            f"package index with pip install --force-reinstall av"
        )


def address(path: Path) -> str:
    """Return a path as a URL for FFmpeg, which would take the text before a colon for a protocol."""
    return f"file:{path}"
