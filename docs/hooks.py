"""A hook of the site: what Markdown has no words for is mended in the pages."""

import re
from typing import Any


def on_page_content(html: str, **_: Any) -> str:
    """Return the page with ``text::`` as ``text:``, and with empty heads of columns as plain cells.

    Markdown has no use for the ``::`` that stands before a block in a docstring, and no table without heads; a head
    without a word is read aloud as nothing.
    """
    html = re.sub(r"\s?::</p>", lambda match: "</p>" if match[0][0].isspace() else ":</p>", html)
    return re.sub(r"<th( [^>]*)?></th>", r"<td\1></td>", html)
