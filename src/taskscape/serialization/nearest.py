"""Suggestions for mistyped names in error messages."""

import difflib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

_MOST_NEAREST = 3
"""Maximum number of names that an error message suggests."""

_MOST_LISTED = 12
"""Maximum number of known names for which an error message lists all of them if none is similar."""

_LOOK_ALIKE = str.maketrans("oil", "011")
"""Letters that look like digits, in lower case or in capitals."""

_FEWEST_LETTERS = 3
"""Minimum length of a part of a name that counts as similar to it."""


def nearest(name: str, known: Iterable[str], written: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the end of an error message: the known names most similar to a name, or if none is, all of a few.

    Case, dashes, underscores, dots and spaces are ignored, and letters and digits that look alike are the same:
    ``resnet-18`` and ``resnetI8`` match ``resnet18``. Names that begin with it come first: ``vit-smal`` is similar to
    ``vit_small_r26``. If no name is spelled like it, those that contain it are similar: ``mtan`` to ``segnet-mtan``.
    ``written`` maps names to the form in which they are shown, if that differs from the name.
    """
    known = list(known)
    by_form: dict[str, list[str]] = {}
    for candidate in known:
        by_form.setdefault(_form(candidate), []).append(candidate)
    form = _form(name)
    has_letters = len(form) >= _FEWEST_LETTERS
    looks = {candidate: candidate.translate(_LOOK_ALIKE) for candidate in sorted(by_form, key=len)}
    look = form.translate(_LOOK_ALIKE)
    forms = (
        [candidate for candidate in by_form if candidate == form]
        or [candidate for candidate in looks if looks[candidate] == look]
        or [candidate for candidate in looks if has_letters and looks[candidate].startswith(look)]
        or _spelled_alike(form, by_form)
        or [candidate for candidate in looks if has_letters and form in candidate]
    )[:_MOST_NEAREST]
    close = [written.get(candidate, candidate) for match in forms for candidate in by_form[match]][:_MOST_NEAREST]
    if close:
        *others, last = close
        return f"; did you mean {', '.join(others)} or {last}?" if others else f"; did you mean {last}?"
    return (
        f"; there is {', '.join(written.get(candidate, candidate) for candidate in known) or 'none'}"
        if len(known) <= _MOST_LISTED
        else ""
    )


def _spelled_alike(form: str, known: Iterable[str]) -> list[str]:
    forms = difflib.get_close_matches(form, known, n=_MOST_NEAREST)
    ratios = [difflib.SequenceMatcher(None, candidate, form).ratio() for candidate in forms]
    return [candidate for candidate, ratio in zip(forms, ratios, strict=True) if ratio > max(ratios) - 0.1]


def _form(name: str) -> str:
    """Return a name in lower case without separators, which are easily mistaken."""
    return re.sub(r"[-_. ]", "", name).lower()
