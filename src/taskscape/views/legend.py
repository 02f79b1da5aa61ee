"""Render legends as HTML. All text is escaped here."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from taskscape.views.arrays import Color, RgbArray
from taskscape.views.colors import color_table
from taskscape.views.key import Example, Key, Part, Scale, Swatches


def as_html(key: Key) -> str:
    """Return the HTML of a key, with its parts one below the other."""
    return "".join(map(_as_html, key))


def _as_html(part: Part) -> str:
    match part:
        case Scale(colors, ticks):
            return color_scale(colors, ticks)
        case Swatches(items):
            return swatches(items)
        case Example(picture, text):
            return f'<div class="sphere">{image_tag(picture, text)}<p>{escape(text)}</p></div>'
        case text:
            return f"<p>{escape(text)}</p>"


def image_tag(rgb: RgbArray, alt: str) -> str:
    """Return an ``img`` tag with an embedded (H, W, 3) image: a PNG if it has at most 256 colors, otherwise a JPEG."""
    height, width, _ = rgb.shape
    packed = rgb.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    colors, index = np.unique(packed, return_inverse=True)
    stream = io.BytesIO()
    if len(colors) <= 256:
        paletted = Image.fromarray(index.reshape(height, width).astype(np.uint8), "L")
        palette = np.stack([colors >> 16, colors >> 8 & 255, colors & 255], -1)
        paletted.putpalette(palette.astype(np.uint8).tobytes())
        paletted.save(stream, "PNG", optimize=True)
        kind = "png"
    else:
        Image.fromarray(rgb).save(stream, "JPEG", quality=85, subsampling=0)
        kind = "jpeg"
    data = base64.b64encode(stream.getvalue()).decode()
    return f'<img src="data:image/{kind};base64,{data}" width="{width}" height="{height}" alt="{escape(alt)}">'


def color_scale(name: str, ticks: Sequence[tuple[float, str]]) -> str:
    """Return a color scale with ticks, (position in 0..1, text), below it."""
    table = color_table(name)
    stops = ",".join("rgb({},{},{})".format(*table[i]) for i in np.linspace(0, len(table) - 1, 17).round().astype(int))
    marks = "".join(f'<span style="left:{100 * position:.1f}%">{escape(text)}</span>' for position, text in ticks)
    return f'<div class="scale"><div style="background:linear-gradient(90deg,{stops})"></div><p>{marks}</p></div>'


def swatches(items: Sequence[tuple[str, Color]]) -> str:
    """Return names and their colors as a list of chips."""
    chips = "".join(
        f'<li><i class="filled" style="--color:rgb({r},{g},{b})"></i>{escape(name)}</li>' for name, (r, g, b) in items
    )
    return f'<ul class="legend chips">{chips}</ul>'
