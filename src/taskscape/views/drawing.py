"""Draw pictures with captions and color keys for ``taskscape predict`` and ``taskscape data show``."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from taskscape.views.arrays import RgbArray
from taskscape.views.colors import color_table
from taskscape.views.key import Example, Key, Part, Scale, Swatches

LEAST_WIDTH = 360
"""Narrower pictures are enlarged by an integer factor, so that their keys are readable."""
GAP = 8
_INK, _SOFT, _PAPER = (28, 28, 30), (98, 98, 106), (255, 255, 255)
_SIZE, _LINE, _CHIP, _BAR, _EXAMPLE = 13, 18, 11, 12, 64


def captioned(picture: RgbArray, title: str, key: Key = ()) -> RgbArray:
    """Return an (H, W, 3) picture with its title above and its color key below."""
    large = enlarged(picture, LEAST_WIDTH)
    width = large.shape[1]
    return stacked([text(title, width), large, draw_key(key, width)])


def with_key(picture: RgbArray, key: Key) -> RgbArray:
    """Return an (H, W, 3) picture with its color key below; an empty key leaves it unchanged."""
    return stacked([picture, draw_key(key, max(picture.shape[1], LEAST_WIDTH))]) if key else picture


def enlarged(picture: RgbArray, width: int) -> RgbArray:
    """Return an (H, W, 3) picture enlarged by an integer factor to at least ``width``, without interpolation."""
    factor = -(-width // picture.shape[1])
    return picture.repeat(factor, 0).repeat(factor, 1)


def stacked(pictures: Sequence[RgbArray]) -> RgbArray:
    """Return pictures one below the other, left-aligned on white."""
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate([_filled(picture, picture.shape[0], width) for picture in pictures])


def in_a_row(pictures: Sequence[RgbArray]) -> RgbArray:
    """Return pictures side by side, top-aligned on white, with gaps between them."""
    height = max(picture.shape[0] for picture in pictures)
    last = len(pictures) - 1
    return np.concatenate(
        [_filled(picture, height, picture.shape[1] + GAP * (i < last)) for i, picture in enumerate(pictures)], 1
    )


def draw_key(key: Key, width: int) -> RgbArray:
    """Return the parts of a key one below the other, after a gap, (H, width, 3); H is 0 for an empty key."""
    gap = np.full((GAP * bool(key), width, 3), 255, np.uint8)
    return stacked([gap, *(_draw(part, width) for part in key)])


def text(words: str, width: int, soft: bool = False) -> RgbArray:
    """Return text on white, (H, width, 3), wrapped into as many lines as needed."""
    lines = _wrapped(words, width)
    image = Image.new("RGB", (width, _LINE * len(lines) + 2), _PAPER)
    pen = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        pen.text((0, _LINE * i + 1), line, _SOFT if soft else _INK, _font())
    return np.asarray(image)


def shortened(words: str, width: int) -> str:
    """Return text shortened to at most ``width`` pixels by cutting off its start, with control characters as spaces."""
    words = "".join(character if character.isprintable() else " " for character in words)
    if _font().getlength(words) <= width:
        return words
    while words and _font().getlength("…" + words) > width:
        words = words[1:]
    return "…" + words


def _draw(part: Part, width: int) -> RgbArray:
    match part:
        case Scale():
            return _scale(part, width)
        case Swatches():
            return _swatches(part, width)
        case Example(picture, words):
            small = np.asarray(Image.fromarray(picture).resize((_EXAMPLE, _EXAMPLE)))
            return in_a_row([small, text(words, max(width - _EXAMPLE - GAP, _EXAMPLE), soft=True)])
        case words:
            return text(words, width, soft=True)


def _scale(part: Scale, width: int) -> RgbArray:
    """Return a bar with as many ticks below it as fit; the first and the last one have priority."""
    table = color_table(part.colors)
    bar = table[np.linspace(0, len(table) - 1, width).round().astype(int)]
    image = Image.new("RGB", (width, _LINE + 6), _PAPER)
    pen = ImageDraw.Draw(image)
    occupied: list[tuple[float, float]] = []
    for position, words in sorted(part.ticks, key=lambda tick: (tick[0] not in (0.0, 1.0), tick[0])):
        length = _font().getlength(words)
        left = min(max(position * width - length / 2, 0), width - length)
        if all(left >= end + GAP or left + length + GAP <= start for start, end in occupied):
            occupied.append((left, left + length))
            pen.text((left, 2), words, _SOFT, _font())
    return np.concatenate([np.repeat(bar[None], _BAR, 0), np.asarray(image)])


def _swatches(part: Swatches, width: int) -> RgbArray:
    """Return names beside squares of their colors, in columns of equal width."""
    room = width - _CHIP - 5
    names = [shortened(name, room) for name, _ in part.items]
    column = min(max((_font().getlength(name) for name in names), default=0) + _CHIP + 5 + 2 * GAP, width)
    columns = max(int((width + 2 * GAP) // column), 1)
    rows = -(-len(names) // columns)
    image = Image.new("RGB", (width, _LINE * rows + 4), _PAPER)
    pen = ImageDraw.Draw(image)
    for i, (name, (_, color)) in enumerate(zip(names, part.items, strict=True)):
        x, y = i % columns * column, i // columns * _LINE + 2
        pen.rectangle((x, y + 3, x + _CHIP, y + 3 + _CHIP), color, _SOFT)
        pen.text((x + _CHIP + 5, y), name, _SOFT, _font())
    return np.asarray(image)


def _wrapped(words: str, width: int) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font().getlength(longer) > width:
            lines.append(shortened(word, width))
        else:
            lines[-1] = longer if lines[-1] else shortened(word, width)
    return lines


def _filled(picture: RgbArray, height: int, width: int) -> RgbArray:
    """Return a picture padded with white to this size."""
    below, right = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=255)


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), _SIZE)
