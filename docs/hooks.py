"""A hook of the site: Markdown has no use for the ``::`` that stands before a block in a docstring."""

import re
from typing import Any


def on_page_content(html: str, **_: Any) -> str:
    """Return the page with ``text::`` as ``text:``, and without a ``::`` that stands alone."""
    return re.sub(r"\s?::</p>", lambda match: "</p>" if match[0][0].isspace() else ":</p>", html)
