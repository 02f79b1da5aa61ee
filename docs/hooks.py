"""A hook of the site's builder: ``::`` before a block in a docstring is reStructuredText, which Markdown has no use for."""

import re
from typing import Any


def on_page_content(html: str, **_: Any) -> str:
    """Return the page with ``text::`` as ``text:``, and without a ``::`` that stands alone."""
    return re.sub(r"\s?::</p>", lambda match: "</p>" if match[0][0].isspace() else ":</p>", html)
