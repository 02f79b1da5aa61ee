"""The layering of docs: which module may import which, read from the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskscape

ROOT = Path(taskscape.__file__).parent

NOTHING: frozenset[str] = frozenset()
BELOW_EVALUATE = frozenset({"batch", "tasks", "metrics", "result", "data.loader", "models.outputs"})
BELOW_TRAIN = BELOW_EVALUATE | {"evaluate", "objective", "checkpoint", "weighting.base", "journal"}
ALL_BELOW_EXPERIMENT = frozenset({"labels", "data", "models", "weighting", "optimization", "settings", "losses"})
BELOW_RUNS = BELOW_TRAIN | ALL_BELOW_EXPERIMENT | {"consistency", "experiment", "engine", "train", "progress", "result"}

ALLOWED: dict[str, frozenset[str]] = {
    "batch": NOTHING,
    "labels": NOTHING,
    "result": NOTHING,
    "checkpoint": NOTHING,
    "journal": NOTHING,
    "optimization": NOTHING,
    "settings": NOTHING,
    "pool": NOTHING,
    "processes": NOTHING,
    "files": NOTHING,
    "progress": NOTHING,
    "engine": NOTHING,
    "losses": frozenset({"batch"}),
    "metrics": frozenset({"batch"}),
    "models": NOTHING,
    "weighting": NOTHING,
    "tasks": frozenset({"batch", "labels", "losses", "metrics"}),
    "objective": frozenset({"batch", "tasks", "losses"}),
    "consistency": frozenset({"batch", "tasks", "losses", "objective"}),
    "streets": frozenset({"labels", "pool"}),
    "data": frozenset({"batch", "labels", "pool", "streets"}),
    "evaluate": BELOW_EVALUATE,
    "baseline": BELOW_EVALUATE | {"data", "evaluate"},
    "train": BELOW_TRAIN,
    "experiment": BELOW_RUNS - {"experiment"},
    "recipes": frozenset({"experiment"}) | ALL_BELOW_EXPERIMENT | {"tasks", "objective", "consistency"},
    "runs": BELOW_RUNS,
    "demo": BELOW_RUNS | {"recipes", "runs"},
    "predict": BELOW_RUNS | {"runs", "report.pictures"},
    "report": frozenset({"result", "labels"}),
}
"""Beside itself, ``processes`` and ``files``, which everything may import. The command line may import everything,
inside functions; see below."""

COMMAND_LINE = ("cli", "commands")


def files(package: str = "") -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module_of(path: Path) -> str:
    """``models.encoder``; a package is called by its own name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST, known: set[str]) -> Iterator[str]:
    """The modules of taskscape that are imported, without the leading ``taskscape``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name.removeprefix("taskscape.") in known else str(node.module) for name in inside]
        else:
            continue
        yield from (name.removeprefix("taskscape.") for name in names if name.startswith("taskscape."))


MODULES = {module_of(path): path for path in files()}


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] not in (*COMMAND_LINE, "__init__")])
def test_modules_import_only_what_is_below_them(module: str) -> None:
    own = module.split(".")[0]
    assert own in ALLOWED, f"add {own} to the table of design and to ALLOWED"
    allowed = ALLOWED[own] | {own, "processes", "files"}
    for imported in imports(ast.parse(MODULES[module].read_text()), set(MODULES)):
        parts = imported.split(".")
        prefixes = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
        assert prefixes & allowed, f"taskscape.{module} imports taskscape.{imported}, which is not below it"


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] in COMMAND_LINE])
def test_the_command_line_imports_inside_functions(module: str) -> None:
    heavy = {name for name in MODULES if name.split(".")[0] not in COMMAND_LINE}
    for node in ast.parse(MODULES[module].read_text()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not heavy & set(imports(node, set(MODULES))), f"line {node.lineno} of taskscape.{module}"


def names_itself(path: Path) -> bool:
    """Whether a file holds a method: a class with ``name: ClassVar[str] = "..."``."""
    return any(
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "name"
        and node.value
        for node in ast.walk(ast.parse(path.read_text()))
    )


@pytest.mark.parametrize("package", ["losses", "metrics", "models", "weighting"])
def test_methods_do_not_import_each_other(package: str) -> None:
    methods = {module_of(path) for path in files(package) if names_itself(path)}
    for path in files(package):
        if path.stem != "__init__":
            imported = set(imports(ast.parse(path.read_text()), set(MODULES)))
            assert not imported & methods, f"{module_of(path)} imports another method; move what both need to a base"
