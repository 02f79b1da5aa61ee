"""The pages of ``taskscape train RECIPE --help``: an overview, and a page per topic."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from taskscape.commands.call import HELP
from taskscape.commands.choices import chosen, split
from taskscape.commands.described import described
from taskscape.commands.experiment import OF_RECIPE, RUN_FLAGS, RUN_SETTINGS
from taskscape.commands.layout import line, usage, wrapped
from taskscape.commands.lines import assignment, switches, with_words
from taskscape.commands.recipes import described_recipe, read_recipe, summaries
from taskscape.commands.settings import Choice, Entries, Node, Setting, nodes, summary
from taskscape.serialization import nearest

COMMON = (
    "network",
    "network.encoder",
    "network.pretrained",
    "tasks",
    "data",
    "data.path",
    "data.size",
    "weighting",
    "optimizer.lr",
    "epochs",
    "batch_size",
    "device",
)
"""The settings changed most often, in this order. The overview shows the first ten that a recipe has."""


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Return whether the arguments ask for help."""
    return any(flag in arguments for flag in HELP)


def topic_of(arguments: Sequence[str]) -> str | None:
    """Return the help topic in arguments that ask for help, or None for the overview."""
    index = next(i for i, argument in enumerate(arguments) if argument in HELP)
    topic = arguments[index + 1] if index + 1 < len(arguments) else ""
    return topic if topic and not topic.startswith("-") and ":" not in topic else None


def help_of(recipe: str, arguments: Sequence[str], command: str = "train") -> str:
    """Return the help page that the arguments ask for, of the recipe with the choices among them.

    Raises ``ValueError`` for an unknown recipe, choice or topic, with the nearest names.
    """
    experiment = described_recipe(recipe) or read_recipe(recipe)
    choices, _ = split(arguments, [field.name for field in fields(experiment)])
    name = recipe.replace("-", "_")
    text = summaries().get(name) or described()["models"].get(recipe, {}).get("text", "")
    return page(recipe, text, chosen(experiment, choices), topic_of(arguments), command)


def help_or_page(command: str, usage: str, arguments: Sequence[str]) -> str:
    """Return the usage of a command with a recipe, or the help page of a topic; both for the topic ``all``.

    Raises ``ValueError`` under the same conditions as ``help_of``.
    """
    recipe, *rest = arguments or HELP
    topic = None if recipe.startswith("-") else topic_of(rest)
    parts = [usage] if topic in (None, "all") else []
    return "\n".join(parts if topic is None else [*parts, help_of(recipe, rest, command)])


def page(recipe: str, text: str, experiment: Any, topic: str | None, command: str = "train") -> str:
    """Return the help page of a topic, or the overview; ``text`` is the description of the recipe.

    Raises ``ValueError`` for an unknown topic, with the nearest names.
    """
    tree = list(nodes(experiment))
    if topic is None:
        return "\n".join(_overview(recipe, text, tree))
    topic = topic.replace("-", "_")
    if topic in ("all", "run"):
        lines = [] if topic == "run" else [line for name in _topics(tree) for line in [*_topic(tree, name), ""]]
        return "\n".join([*lines, *_run(tree, command)])
    if not any(_is_within(node, topic) for node in tree):
        known = [*_topics(tree), "run", "all", *(n.path for n in tree if isinstance(n, Choice) and "." in n.path)]
        raise ValueError(f"there is no help about {topic!r}{nearest(topic, known)}")
    return "\n".join(_topic(tree, topic))


def topics(experiment: Any) -> list[str]:
    """Return all help topics."""
    return [*_topics(list(nodes(experiment))), "run", "all"]


def _topics(tree: Iterable[Node]) -> list[str]:
    """Return the fields of the experiment that are a topic, because they contain settings."""
    return list(dict.fromkeys(n.path.partition(".")[0] for n in tree if "." in n.path or not isinstance(n, Setting)))


def _is_within(node: Node, topic: str) -> bool:
    path = node.path.replace("-", "_")
    return path == topic or path.startswith(f"{topic}.")


# -- the first screen --------------------------------------------------------------------------------------------------


def _overview(recipe: str, text: str, tree: Sequence[Node]) -> Iterator[str]:
    yield from usage(f"taskscape train {recipe} [--SETTING VALUE ...] [CHOICE:NAME ...] [--out RUN]")
    yield ""
    if text:
        yield from wrapped(text)
        yield ""
    yield "The most common settings with their values in this recipe, in any order:"
    yield ""
    by_path = {node.path: node for node in tree}
    for node in [by_path[path] for path in COMMON if path in by_path][:10]:
        yield from line(assignment(node), node.text, first_sentence=True)
    if "data.path" not in by_path:
        yield from line("--data.path STORE", "Train on a store written by taskscape prepare instead of these data.")
    for flag in ("out", "resume"):
        yield from line(f"--{flag} RUN", RUN_FLAGS[flag])
    yield ""
    names = _topics(tree)
    yield from wrapped(f"For all other settings, run taskscape train {recipe} --help TOPIC, where TOPIC is")
    yield from wrapped(", ".join(names) + ", run (settings without a topic) or all.", 2)
    yield from wrapped("A choice keeps the values of the recipe where the new class has the same setting.")


# -- pages -------------------------------------------------------------------------------------------------------------


def _topic(tree: Sequence[Node], topic: str) -> Iterator[str]:
    """Yield the lines of a page: the settings below a path, then the classes of each choice, one per line."""
    page_nodes = [node for node in tree if _is_within(node, topic)]
    for node in page_nodes:
        if not isinstance(node, Setting) and node is not page_nodes[0]:
            yield ""
        yield from _node(node)
    yield from switches([node for node in page_nodes if isinstance(node, Setting)])
    entries = [node for node in page_nodes if isinstance(node, Entries)]
    for node in entries:
        yield from ["", f"{node.flag}.NAME:KIND adds an entry with any name, {node.flag}.NAME:none removes one:"]
        yield from _members(node)
    for node in page_nodes:
        if isinstance(node, Choice) and _is_free(node) and not any(node.classes == entry.classes for entry in entries):
            yield from ["", f"{node.flag}:NAME, where NAME is"]
            yield from _members(node)


def _node(node: Node) -> Iterator[str]:
    if isinstance(node, Setting):
        yield from line(assignment(node), with_words(node))
    elif isinstance(node, Entries) or not _is_free(node):
        yield from line(node.flag, node.text)
    else:
        class_text = summary(type(node.value)) if is_dataclass(node.value) else ""
        yield from line(assignment(node), f"{node.text} {class_text}".strip())


def _is_free(node: Choice) -> bool:
    """Return whether there is more than one class to choose from."""
    return len(node.classes) > 1


def _members(node: Choice | Entries) -> Iterator[str]:
    current = node.chosen if isinstance(node, Choice) else ""
    for name, cls in node.classes.items():
        if cls is not None:
            mark = "*" if name == current else " "
            yield from line(f"{mark} {name}", summary(cls), one_line=True)


def _run(tree: Sequence[Node], command: str) -> Iterator[str]:
    """Yield the lines of the page ``run``: settings without a topic, and flags that are not settings."""
    hidden = ("start_from", "start_checksum", "continued", "note")
    settings = [
        setting
        for setting in tree
        if isinstance(setting, Setting) and "." not in setting.path and setting.path not in hidden
    ]
    for setting in settings:
        yield from line(assignment(setting), with_words(setting))
    for setting in (flag for flag in RUN_SETTINGS if command == "train" or flag.path in OF_RECIPE):
        yield from line(f"--{setting.flag} {'small' if setting.flag == 'scale' else 'RUN'}", with_words(setting))
    yield from switches(settings)
