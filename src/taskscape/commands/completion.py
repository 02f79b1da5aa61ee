"""``taskscape completion``: Tab completion of commands, recipes, flags, choices and their values."""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Literal

from taskscape.commands import COMMANDS, GENERAL
from taskscape.commands.call import call

if TYPE_CHECKING:
    from taskscape.commands.settings import Node

Shell = Literal["bash", "zsh", "fish"]

SCRIPTS: dict[Shell, str] = {
    "bash": """\
_taskscape() {
    local line="${COMP_LINE:0:COMP_POINT}" words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local last="${words[${#words[@]} - 1]}" IFS=$'\\n'
    COMPREPLY=($("${words[0]}" completion --words "${words[@]:1}" 2> /dev/null))
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace
    if [[ $last == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${last%"${last##*:}"}"}")
    fi
}
complete -o default -F _taskscape taskscape
""",
    "zsh": """\
#compdef taskscape
_taskscape() {
    local -a found
    found=("${(@f)$("${words[1]}" completion --words "${(@)words[2,CURRENT]}" 2> /dev/null)}")
    found=(${found:#})
    if (( ${#found} )); then
        compadd -S '' -- ${(M)found:#*:}
        compadd -- ${found:#*:}
    else
        _files
    fi
}
compdef _taskscape taskscape
""",
    "fish": """\
function __taskscape_words
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    $words[1] completion --words $words[2..-1] "$last" 2> /dev/null
end
complete -c taskscape -a '(__taskscape_words)'
""",
}


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["--words"]:
        last = arguments[-1] if len(arguments) > 1 else ""
        print("\n".join(word for word in words(arguments[1:]) if word.startswith(last)))
        return
    call(completion, arguments, "completion")


def completion(shell: Shell, /) -> None:
    """Print the script for Tab completion of commands, recipes, flags and their values.

    For bash, add eval "$(taskscape completion bash)" to ~/.bashrc. For zsh, add the same line with zsh to ~/.zshrc,
    after compinit. For fish, add taskscape completion fish | source to ~/.config/fish/config.fish.

    Args:
        shell: bash, zsh or fish.
    """
    print(SCRIPTS[shell], end="")


def words(line: Sequence[str]) -> list[str]:
    """Return the possible last words of a command line, whose last word may be partial; empty if it is a file."""
    *preceding, last = line or [""]
    while preceding and preceding[0] in GENERAL:
        del preceding[: 2 if preceding[0] == "--threads" else 1]
    if not preceding:
        return [*COMMANDS, "--help", "--version"]
    command, *rest = preceding
    if command in ("train", "bench"):
        return list(_complete_train(rest, last))
    if command == "sweep":
        return list(_complete_sweep(rest, last))
    if command not in COMMANDS:
        return []
    return list(_complete_function(command, rest, last))


def _complete_train(preceding: Sequence[str], last: str) -> Iterator[str]:
    from taskscape.commands.choices import chosen, split
    from taskscape.commands.described import described, experiment
    from taskscape.commands.experiment import RUN_FLAGS
    from taskscape.commands.recipes import described_recipe, summaries
    from taskscape.commands.settings import by_flag, nodes, words_of
    from taskscape.commands.topics import topics

    if not preceding:
        yield from (*summaries(), *described()["models"], "--resume", "--help")
        return
    recipe, *rest = preceding
    try:
        default = described_recipe(recipe) or experiment("joint")
        choices, _ = split(rest, [field.name for field in fields(default)])
        base = chosen(default, choices)
    except (ValueError, OSError):
        return
    tree = list(nodes(base))
    flags = by_flag(tree)
    previous = rest[-1] if rest else ""
    if previous == "--help":
        yield from topics(base)
    elif (
        previous.startswith("--") and (setting := flags.get(previous[2:].replace("_", "-"))) and len(setting.flags) == 1
    ):
        yield from words_of(setting.kind) or ()
    elif previous == "--scale":
        yield "small"
    elif previous in ("--threads", *(f"--{flag}" for flag in RUN_FLAGS)):
        return
    elif last.startswith("-"):
        yield from (*(f"--{flag}" for flag in (*flags, *RUN_FLAGS)), *GENERAL)
    else:
        yield from _complete_choices(tree, last)


def _complete_choices(tree: "Sequence[Node]", last: str) -> Iterator[str]:
    """Yield the paths of choices, or the classes of a choice whose path and colon have been typed."""
    from taskscape.commands.settings import Choice, Entries

    path, colon, _ = last.partition(":")
    for node in tree:
        choice_path, end = (path.rpartition(".")[0], ".") if isinstance(node, Entries) else (path, ":")
        if isinstance(node, Entries) or (isinstance(node, Choice) and len(node.classes) > 1):
            if not colon:
                yield f"{node.path}{end}"
            elif node.path == choice_path:
                yield from (f"{path}:{name}" for name in node.classes)


def _complete_sweep(preceding: Sequence[str], last: str) -> Iterator[str]:
    """Yield completions of the recipe's settings and the flags of ``taskscape sweep`` itself."""
    from taskscape.commands.published import published_sweeps
    from taskscape.commands.sweep_flags import OWN

    published = published_sweeps()
    if not preceding:
        yield from published
    elif preceding[0] in published:
        preceding = [published[preceding[0]].recipe, *preceding[1:]]
    if preceding[-1:] == ["--on"]:
        yield from ("local", "ray")
    elif last.startswith("-") and preceding:
        yield from (f"--{flag}" for flag in OWN)
    yield from _complete_train(preceding, last)


def _complete_function(command: str, preceding: Sequence[str], last: str) -> Iterator[str]:
    """Yield the flags of a command written as a function, or the possible values of a flag or positional argument."""
    from taskscape.commands.call import signature
    from taskscape.commands.described import described, reader
    from taskscape.commands.settings import by_flag, words_of

    module = importlib.import_module(f"taskscape.commands.{command}")
    if command == "recipes" and not preceding and not last.startswith("-"):
        yield from filter(None, module.by_group())
        return
    if command == "prepare":
        if not preceding:
            yield from (*described()["readers"], "--help")
            return
        name, *preceding = preceding
        if name not in described()["readers"]:
            return
        function = module.function_of(reader(name))
    elif command == "data":
        if not preceding:
            yield from (*module.ACTIONS, "--help")
            return
        action, *preceding = preceding
        function = module.ACTIONS.get(action, module.show)
    else:
        function = getattr(module, command)
    interface = signature(function)
    flags = by_flag(interface.settings)
    setting = flags.get(preceding[-1].removeprefix("--").replace("_", "-")) if preceding else None
    if setting is not None and preceding[-1].startswith("--") and len(setting.flags) == 1:
        yield from words_of(setting.kind) or ()
    elif last.startswith("-"):
        yield from (*(f"--{flag}" for flag in flags), *GENERAL)
    elif len(preceding) < len(interface.places):
        yield from words_of(interface.places[len(preceding)].kind) or ()
