"""Building blocks of pages, and the frame around them. All text is escaped here."""

import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from taskscape.files import atomic_write, writing

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
$style
</style>
</head>
<body>
<header class="masthead">
<p class="overline">$overline</p>
<h1>$title</h1>
<p class="lead">$lead</p>
</header>
<nav aria-label="Sections"><ul>$links</ul></nav>
<main>
$sections
</main>
</body>
</html>
""")


Tile = tuple[str, str, str, str]
"""The title of a number, the number as text, its unit, and a note."""

LONG_VALUE = 60
"""Values with more characters than this get a line of their own."""


def page(title: str, overline: str, lead: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """Return a complete page from sections (title, one-line hint, HTML); sections without HTML are left out."""
    sections = [s for s in sections if s[2]]
    anchors = [name.lower().replace(" ", "-") for name, _, _ in sections]
    return PAGE.substitute(
        title=escape(title),
        overline=escape(overline),
        lead=escape(lead),
        style=files(__package__).joinpath("style.css").read_text(encoding="utf-8"),
        links="".join(
            f'<li><a href="#{anchor}">{escape(name)}</a></li>'
            for anchor, (name, _, _) in zip(anchors, sections, strict=True)
        ),
        sections="\n".join(
            f'<section id="{anchor}"><h2>{escape(name)}</h2>'
            + (f'<p class="hint">{escape(hint)}</p>' if hint else "")
            + f"{body}</section>"
            for anchor, (name, hint, body) in zip(anchors, sections, strict=True)
        ),
    )


def write(path: Path, text: str) -> Path:
    """Write a page atomically: a reader sees the old page or the new one, never a partial one.

    Bytes of file names that are not valid UTF-8 are written as escape sequences.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, text.encode("utf-8", "backslashreplace"))
    return path


def warning(text: str) -> str:
    """Return a highlighted note of one or two sentences."""
    return f'<p class="warning" role="note">{prose(text)}</p>'


def tiles(items: Sequence[Tile]) -> str:
    """Return tiles with large numbers; an empty string without items."""
    if not items:
        return ""
    return (
        '<dl class="tiles">'
        + "".join(
            f"<div><dt>{escape(title)}</dt><dd>{escape(number)}<small>{escape(unit)}</small></dd>"
            + (f"<dd class=note>{escape(note)}</dd>" if note else "")
            + "</div>"
            for title, number, unit, note in items
        )
        + "</dl>"
    )


def facts(items: Sequence[tuple[str, str]]) -> str:
    """Return a list of names and values; an empty string without items."""
    if not items:
        return ""
    return (
        '<dl class="facts">'
        + "".join(
            f"<div{' class=long' * (len(value) > LONG_VALUE)}><dt>{escape(name)}</dt><dd>{breakable(value)}</dd></div>"
            for name, value in items
        )
        + "</dl>"
    )


def small(note: str) -> str:
    """Return a small note to append to a text on the same line, such as a unit; an empty string stays empty."""
    return f"&nbsp;<small>{escape(note)}</small>" if note else ""


def prose(text: str) -> str:
    """Return sentences in which lines do not break within flags, such as --time."""
    return re.sub(r"--[\w-]+", r'<span class="flag">\g<0></span>', escape(text))


def breakable(name: str) -> str:
    """Return a dotted name that may wrap after its dots."""
    return re.sub(r"\.(?=[a-z_])", ".<wbr>", escape(name))


def folded(summary: str, body: str) -> str:
    """Return a section that is collapsed until the reader opens it; an empty string without a body."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>" if body else ""


def wide(body: str, name: str) -> str:
    """Return content that scrolls sideways if it is wider than the screen; ``name`` is its label for screen readers."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(name)}">{body}</div>'


def settings_table(settings: dict[str, str]) -> str:
    """Return a table of settings by dotted name."""
    rows = "".join(
        f"<tr><th scope=row>{breakable(name)}</th><td>{escape(value)}</td></tr>" for name, value in settings.items()
    )
    return f'<table class="settings"><tbody>{rows}</tbody></table>'
