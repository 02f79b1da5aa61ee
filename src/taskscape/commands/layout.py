"""Layout of help pages, with lines that fit the terminal."""

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest

INDENT = 34
"""Width of the column of names, in characters."""

_UNBROKEN = "\N{NO-BREAK SPACE}"


def line(name: str, text: str, *, first_sentence: bool = False, one_line: bool = False) -> Iterator[str]:
    """Yield the lines of a name and its text, which starts on the same line if there is room."""
    if first_sentence:
        text = text.partition(". ")[0].rstrip(".") + "." if text else ""
    room = width() - INDENT
    lines = (
        [textwrap.shorten(text, room, placeholder=" …")]
        if one_line
        else textwrap.wrap(text, room, break_on_hyphens=False)
    )
    if len(name) > INDENT - 4:
        yield f"  {name}"
    else:
        yield f"  {name:<{INDENT - 2}}{lines.pop(0) if lines else ''}".rstrip()
    yield from (" " * INDENT + row for row in lines)


def wrapped(text: str, indent: int = 0) -> list[str]:
    """Wrap a text into lines."""
    front = " " * indent
    return textwrap.wrap(text, width(), initial_indent=front, subsequent_indent=front, break_on_hyphens=False)


def filled(text: str) -> str:
    """Wrap the paragraphs of a text, except indented ones such as examples."""
    paragraphs = text.split("\n\n")
    return "\n\n".join(
        paragraph if paragraph.startswith(" ") else "\n".join(wrapped(paragraph)) for paragraph in paragraphs
    )


def usage(*ways: str) -> list[str]:
    """Return the usage lines of a command, with one or more forms. Text in brackets is not broken."""
    unbroken = (re.sub(r"\[[^]]*\]", lambda match: match[0].replace(" ", _UNBROKEN), way) for way in ways)
    lines = (
        textwrap.wrap(way, width(), initial_indent=" " * 7, subsequent_indent=" " * 8, break_on_hyphens=False)
        for way in unbroken
    )
    text = "\n".join(row for way in lines for row in way).replace(_UNBROKEN, " ")
    return f"usage: {text.lstrip()}".splitlines()


def names(texts: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of two columns, names and their texts."""
    indent = max(map(len, texts)) + 2
    for name, text in texts.items():
        first, *more = textwrap.wrap(text, width() - indent, break_on_hyphens=False) or [""]
        yield f"{name:<{indent}}{first}".rstrip()
        yield from (" " * indent + row for row in more)


def table(head: tuple[str, str, str], rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Yield the lines of three columns: names, and two texts each, the first of which gets 3/5 of the width."""
    rows = [head, *rows]
    indent = max(len(name) for name, *_ in rows) + 2
    room = width() - indent - 2
    first_width = 3 * room // 5
    for name, *texts in rows:
        cells = [
            textwrap.wrap(text, cell_width, break_on_hyphens=False)
            for text, cell_width in zip(texts, (first_width, room - first_width), strict=True)
        ]
        for number, (left, right) in enumerate(zip_longest(*cells, fillvalue="")):
            yield f"{'' if number else name:<{indent}}{left:<{first_width + 2}}{right}".rstrip()


def width() -> int:
    """Return the width of a help page, in characters."""
    return max(60, min(100, shutil.get_terminal_size().columns))
