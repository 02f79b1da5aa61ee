"""Sizes in pixels as text, with the height first: ``128x256``."""

import re


def show_size(size: tuple[int, int] | None) -> str:
    """Return a size as text, such as ``128x256``; ``none`` for None."""
    return "none" if size is None else f"{size[0]}x{size[1]}"


def read_size(text: str) -> tuple[int, int]:
    """Return the size (H, W) written as ``HxW``. Raises ``ValueError`` for any other text."""
    if not (match := re.fullmatch(r"([1-9]\d*)\s*[x×]\s*([1-9]\d*)", text)):
        raise ValueError(f"{text} is not HEIGHTxWIDTH, such as 128x256")
    return int(match[1]), int(match[2])
