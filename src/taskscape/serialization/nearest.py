"""The names that a mistyped one may mean, for error messages."""

import difflib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

_MOST_NEAREST = 3
"""Names that an error message proposes."""

_MOST_LISTED = 12
"""Names that an error message lists where none is like the one that was given."""


def nearest(name: str, known: Iterable[str], written: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the end of an error message: the known names most like this one, or all of them where they are few.

    Capitals, dashes, underscores and dots do not count: ``resnet-18`` is ``resnet18``. ``written`` has how a name
    is shown, where that is not the name itself.
    """
    known = list(known)
    by_form: dict[str, list[str]] = {}
    for one in known:
        by_form.setdefault(_form(one), []).append(one)
    form = _form(name)
    forms = [form] if form in by_form else difflib.get_close_matches(form, by_form, n=_MOST_NEAREST)
    likeness = [difflib.SequenceMatcher(None, one, form).ratio() for one in forms]
    forms = [one for one, ratio in zip(forms, likeness, strict=True) if ratio > max(likeness) - 0.1]
    close = [written.get(one, one) for likely in forms for one in by_form[likely]][:_MOST_NEAREST]
    if close:
        *others, last = close
        return f"; did you mean {', '.join(others)} or {last}?" if others else f"; did you mean {last}?"
    return (
        f"; there is {', '.join(written.get(one, one) for one in known) or 'none'}"
        if len(known) <= _MOST_LISTED
        else ""
    )


def _form(name: str) -> str:
    """Return a name without what is easily mistaken in it."""
    return re.sub(r"[-_. ]", "", name).lower()
