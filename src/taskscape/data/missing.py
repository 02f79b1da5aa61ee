"""Group images by the labels that they lack."""

from collections import defaultdict
from collections.abc import Iterable, Mapping


def by_missing_fields(lacking: Mapping[str, Iterable[str]]) -> dict[tuple[str, ...], list[str]]:
    """Return the images that lack each combination of fields, from those that lack each field.

    >>> by_missing_fields({"semseg": ["a", "b"], "depth": ["b", "c"]})
    {('semseg',): ['a'], ('semseg', 'depth'): ['b'], ('depth',): ['c']}
    """
    fields_of: defaultdict[str, list[str]] = defaultdict(list)
    for field, names in lacking.items():
        for name in names:
            fields_of[name].append(field)
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, fields in fields_of.items():
        groups.setdefault(tuple(fields), []).append(name)
    return groups
