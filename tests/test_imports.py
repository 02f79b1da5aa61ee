"""Allowed imports between packages, checked in the source: packages follow the flow of data, imports go only down."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskscape
from taskscape import losses, metrics, modalities, models, objectives, tasks, views, weighting  # noqa: F401
from taskscape.modalities import MODALITIES
from taskscape.tasks import TASKS

ROOT = Path(taskscape.__file__).parent
PROJECT = ROOT.parents[1]

ROOMS = (
    "errors",
    "lazy",
    "imports",
    "files",
    "logs",
    "progress",
    "serialization",
    "parallel",
    "batch",
    "devices",
    "distributed",
    "machine",
    "selfcheck",
    "modalities",
    "streets",
    "metrics",
    "losses",
    "views",
    "run_folder",
    "state_dicts",
    "hub",
    "released",
    "models",
    "weighting",
    "tasks",
    "data",
    "report",
    "objectives",
    "evaluation",
    "trackers",
    "training",
    "runs",
    "bench",
    "inference",
    "publishing",
    "export",
    "app",
    "recipes",
    "sweeps",
    "demo",
    "commands",
    "cli",
    "__main__",
)
"""From the bottom up: a package imports only those before it in this list. New packages must be added here."""

SPEAKS_OF_ITSELF = {"runs": {"__init__"}, "inference": {"__init__"}}
"""Modules that may import ``__init__`` of taskscape, for its version."""

COMMAND_LINE = ("cli", "commands", "__main__")


def files(package: str = "") -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def module_of(path: Path) -> str:
    """Return the name of a module, such as ``models.encoder``; a package has its own name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in files()}


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that are not only for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield other
                yield from at_import(other)
            continue
        yield node
        yield from at_import(node)


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the imported modules of taskscape, without ``taskscape.``; ``__init__`` for the package itself."""
    for node in at_import(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name.removeprefix("taskscape.") in MODULES else str(node.module) for name in inside]
        else:
            continue
        yield from (
            name.removeprefix("taskscape.") if "." in name else "__init__"
            for name in names
            if name.split(".")[0] == "taskscape"
        )


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__init__"])
def test_modules_import_only_what_is_below_them(module: str) -> None:
    own = module.split(".")[0]
    assert own in ROOMS, f"give {own} its place in ROOMS"
    allowed = {*ROOMS[: ROOMS.index(own) + 1], *SPEAKS_OF_ITSELF.get(own, ())}
    if own in COMMAND_LINE:
        allowed |= {"__init__"}
    for imported in imports(ast.parse(MODULES[module].read_text())):
        assert imported.split(".")[0] in allowed, f"taskscape.{module} imports taskscape.{imported}, which is above it"


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] in COMMAND_LINE])
def test_the_command_line_imports_inside_functions(module: str) -> None:
    light = {name for name in MODULES if name.split(".")[0] in ("errors", "imports", "serialization", *COMMAND_LINE)}
    light |= {"inference.checks", "sweeps.axes", "sweeps.extras"}
    for node in ast.parse(MODULES[module].read_text()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert set(imports(ast.Module([node], []))) <= light, f"line {node.lineno} of taskscape.{module}"


def names_itself(path: Path) -> bool:
    """Return whether a file defines a method: a class with ``name: ClassVar[str] = "..."``."""
    return any(
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "name"
        and node.value
        for node in ast.walk(ast.parse(path.read_text()))
    )


@pytest.mark.parametrize("package", ["losses", "models", "weighting"])
def test_methods_do_not_import_each_other(package: str) -> None:
    methods = {module_of(path) for path in files(package) if names_itself(path)}
    for path in files(package):
        if path.stem != "__init__":
            imported = set(imports(ast.parse(path.read_text())))
            assert not imported & methods, f"{module_of(path)} imports another method; move what both need to a base"


@pytest.mark.parametrize(
    ("room", "heavy"),
    [
        ("taskscape", {"torch", "numpy", "matplotlib", "yaml"}),
        ("taskscape.modalities", {"torch", "matplotlib", "yaml"}),
        ("taskscape.views", {"torch"}),
        ("taskscape.report", {"torch"}),
        ("taskscape.data.store", {"matplotlib"}),
    ],
)
def test_rooms_are_free_of_each_others_libraries(room: str, heavy: set[str]) -> None:
    code = f"import sys, {room}; print(*sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not done.stdout.split()


# -- names of tasks ----------------------------------------------------------------------------------------------------

MAY_NAME_TASKS = ("modalities", "views", "tasks", "losses", "metrics", "data.readers", "data.sources", "recipes")
"""The packages that may distinguish modalities or tasks. Streets are rendered with their labels: ``Scene`` has a field
for each, so the renderer uses the names too, but no classes."""


@pytest.mark.parametrize(
    "module", [name for name in MODULES if not f"{name}.".startswith(tuple(f"{room}." for room in MAY_NAME_TASKS))]
)
def test_no_other_room_knows_a_task_by_name(module: str) -> None:
    words = {kind.name for kind in (*TASKS, *MODALITIES)} - {"rgb"}
    classes = {kind.__name__ for kind in (*TASKS, *MODALITIES)} - {"Rgb", "Depth"}
    tree = ast.parse(MODULES[module].read_text())
    if not module.startswith("streets"):
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is str}
        for text in strings - set(docstrings(tree)):  # as a key, a metric's name or an argument, not in a sentence
            assert re.split(r"[/=]", text)[0] not in words, f"taskscape.{module} names a task in {text!r}"
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & classes, f"taskscape.{module} uses {used & classes}"


def docstrings(tree: ast.AST) -> Iterator[str]:
    """Yield docstrings, including those of attributes: they may give examples."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(ast.Constant(str(text))):
                yield text


def test_the_architecture_has_every_room_in_this_order() -> None:
    page = (PROJECT / "docs" / "design" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == [room for room in ROOMS if room != "__main__"]


# -- dependencies ------------------------------------------------------------------------------------------------------

DISTRIBUTIONS = {
    "PIL": "pillow",
    "huggingface_hub": "huggingface-hub",
    "lightning_fabric": "lightning-fabric",
    "typing_extensions": "typing-extensions",
    "yaml": "pyyaml",
}
"""Names of distributions that differ from those of their modules."""

OPTIONAL = {
    "av",
    "scipy",
    "h5py",
    "pynvml",
    "wandb",
    "mlflow",
    "onnx",
    "onnxruntime",
    "openvino",
    "optuna",
    "ray",
    "rerun",
}
"""Modules that are imported only if an extra is needed or installed."""


def test_dependencies_are_what_is_imported() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=\[]", line)[0] for line in project["dependencies"]}
    imported = set()
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    outside = imported - sys.stdlib_module_names - {"taskscape"} - OPTIONAL
    assert {DISTRIBUTIONS.get(name, name) for name in outside} == declared


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    reasons = (PROJECT / "docs" / "design" / "decisions.md").read_text()
    for line in project["dependencies"]:
        name = re.split(r"[<>=\[]", line)[0]
        assert f"`{name}`" in reasons, f"say in docs/design/decisions.md why {name} is a dependency"
