"""Read YAML and JSON as plain values, with limits: no code is executed, and no file takes excessive memory.

Every error in a text is a ``ValueError`` that names it. All texts are UTF-8, with or without a byte-order mark.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

MOST_DEPTH = 64
"""Maximum nesting of lists and mappings."""
MOST_YAML_BYTES = 1 << 16
MOST_YAML_VALUES = 20_000
"""Maximum number of values in a YAML text, with aliases expanded."""
MOST_JSON_BYTES = 1 << 26
"""Maximum size of a JSON file. A manifest with the names of a million images takes half of it."""


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file. Raises ``ValueError`` with its name, and ``OSError`` unchanged."""
    return parse_yaml(read_text(path, MOST_YAML_BYTES), str(path))


def read_json(path: Path) -> Any:
    """Return the content of a JSON file. Raises ``ValueError`` with its name, and ``OSError`` unchanged."""
    return parse_json(read_text(path, MOST_JSON_BYTES), str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Return the content of a YAML text; ``where`` is its name in errors, usually a file.

    Raises ``ValueError`` for a text that is too large or nested too deeply, or has a key twice.
    """
    import yaml

    if len(text) > MOST_YAML_BYTES:
        raise ValueError(f"{where} has {len(text)} characters, but at most {MOST_YAML_BYTES} are allowed")
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        if node is None:
            return None
        _check_node(node, where)
        return yaml.SafeLoader("").construct_document(node)
    except _OutOfBoundsError:
        raise
    except RecursionError:
        raise _too_deep(where) from None
    except Exception as error:  # yaml's errors, and those that Python raises for an impossible number or date
        raise ValueError(f"{where} is not YAML: {error}") from error


def parse_json(text: str, where: str) -> Any:
    """Return the content of a JSON text; ``where`` is its name in errors, usually a file.

    Raises ``ValueError`` for a text that is nested too deeply or has a key twice.
    """
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError as error:
        raise ValueError(f"{where} is not JSON ({error})") from error
    layer: list[Any] = [content]
    for _ in range(MOST_DEPTH):
        layer = [item for value in layer if isinstance(value, dict | list) for item in _containers(value)]
        if not layer:
            return content
    raise _too_deep(where)


class _OutOfBoundsError(ValueError):
    """A limit is exceeded; the message names the text already."""


def _too_deep(where: str) -> _OutOfBoundsError:
    return _OutOfBoundsError(f"{where} is nested too deep: at most {MOST_DEPTH} levels are allowed")


def read_text(path: Path, most: int = MOST_YAML_BYTES) -> str:
    """Return the content of a UTF-8 text file.

    Raises ``ValueError`` with the file's name if it has more than ``most`` bytes or another encoding, and ``OSError``.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path} is larger than {most} bytes, which is more than such a file needs")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error}): save it as UTF-8") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        (name, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"it has the key {name!r} twice")
    return content


def _containers(value: dict[str, Any] | list[Any]) -> Iterator[Any]:
    items: Iterable[Any] = value.values() if isinstance(value, dict) else value
    return (item for item in items if isinstance(item, dict | list))


def _check_node(root: "yaml.Node", where: str) -> None:
    """Check the nodes of a YAML text, each alias at every place where it is used."""
    import yaml

    stack, count = [(root, 1)], 0
    while stack:
        node, depth = stack.pop()
        if depth > MOST_DEPTH:
            raise _too_deep(where)
        if isinstance(node, yaml.MappingNode):
            _check_keys(node, where)
            children = [child for pair in node.value for child in pair]
        else:
            children = node.value if isinstance(node, yaml.SequenceNode) else []
        count += len(children)
        if count > MOST_YAML_VALUES:
            raise _OutOfBoundsError(f"{where} has more than {MOST_YAML_VALUES} values, with its aliases expanded")
        stack += [(child, depth + 1) for child in children if isinstance(child, yaml.CollectionNode)]


def _check_keys(node: "yaml.MappingNode", where: str) -> None:
    seen = set()
    for key, _ in node.value:
        name = (key.tag, key.value) if isinstance(key.value, str) else None
        if name in seen:
            raise _OutOfBoundsError(
                f"{where} has the key {key.value!r} twice, the second in line {key.start_mark.line + 1}"
            )
        seen.add(name or key)
