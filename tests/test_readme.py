"""The README keeps its form; ``test_docs.py`` runs its Python and checks its commands and links."""

import re

from documents import README, ROOT, blocks, commands
from taskscape import weighting
from taskscape.commands import COMMANDS


def test_it_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 120


def test_python_in_a_dozen_lines() -> None:
    (example,) = blocks(README, "python")
    assert len([line for line in example.code.splitlines() if line.strip()]) <= 12


def test_it_begins_with_the_demo() -> None:
    assert commands(README)[0] == "taskscape demo"
    assert {command.split()[1] for command in commands(README)} <= set(COMMANDS)


def test_every_balancing_method_is_listed() -> None:
    (row,) = re.findall(r"^\| \[balancing\].*$", README.read_text("utf-8"), re.MULTILINE)
    listed = [name for part in row.split("|")[2].split(";") for name in part.split(",")]
    assert len(listed) == len(weighting.CONFIGS)


def test_the_tree_names_folders_that_exist() -> None:
    (tree,) = re.findall(r"```\n(src/taskscape/.*?)```", README.read_text("utf-8"), re.DOTALL)
    inside = set(re.findall(r"(\w+)/  ", tree)) - {"docs", "examples", "benchmarks", "tests"}
    package = ROOT / "src" / "taskscape"
    assert inside | {"__pycache__"} >= {path.name for path in package.iterdir() if path.is_dir()}
    assert all((package / name).is_dir() for name in inside)


def test_the_test_command_can_be_extracted() -> None:
    """``.ci/run`` reads the block after this comment."""
    (command,) = re.findall(r"<!-- test command -->\n```bash\n(.*?)\n```", README.read_text("utf-8"), re.DOTALL)
    for part in ("pip install", "ruff check", "ruff format --check", "mypy", "pytest", "mkdocs build --strict"):
        assert part in command
    assert "--strict -q" not in command  # a quiet mkdocs does not count warnings
