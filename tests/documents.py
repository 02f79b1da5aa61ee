"""Code blocks of documents."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))

_BLOCK = re.compile(
    r"^```(?:{\.)?(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?}?\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
"""Blocks that include a file are written ```{.python title="…"}, in which ruff does not format the line."""
_SNIPPET = re.compile(r"^--8<-- \"(?P<path>[^\"]+)\"$", re.MULTILINE)


class Block(NamedTuple):
    """A block of code."""

    language: str
    title: str | None
    """The name of the file as which it is saved."""
    code: str


def blocks(page: Path, language: str) -> list[Block]:
    """Return the blocks of a page in one language, with the files that they include."""
    found = [Block(m["language"], m["title"], _with_files(m["code"])) for m in _BLOCK.finditer(page.read_text("utf-8"))]
    return [block for block in found if block.language == language]


def commands(page: Path) -> list[str]:
    """Return the taskscape commands in a page's shell blocks, without comments or anything before them."""
    lines = "\n".join(block.code for block in blocks(page, "bash")).replace("\\\n", " ").splitlines()
    parts = (part.strip() for line in lines for part in line.partition("#")[0].split("&&"))
    return [" ".join(part.split()) for part in parts if part.startswith("taskscape ")]


def _with_files(code: str) -> str:
    return _SNIPPET.sub(lambda match: (ROOT / match["path"]).read_text("utf-8"), code)
