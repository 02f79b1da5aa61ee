"""Import classes from users' files, and keep copies of these files so that saved experiments work elsewhere.

Like a script, a user's file can import modules from its own folder. ``keep_code`` copies the file and these modules to
the folder ``code`` next to a saved file. If the originals are gone or have changed, reading the saved file runs the
copies and prints a message.
"""

import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from taskscape.files import atomic_write, writing
from taskscape.serialization.nearest import nearest

_CODE: ContextVar[Path | None] = ContextVar("code", default=None)
"""The folder with the copies of users' files for the file being read."""

_ORIGINALS: dict[Path, Path] = {}
"""The path under which a class is saved, by the imported copy of its file."""

_IMPORTED_FROM: dict[Path, list[ModuleType]] = {}
"""The modules imported from a folder, by folder. ``sys.modules`` may have other modules with the same names."""

_USER_FILE = "taskscape-file:"
"""Prefix of the names of modules imported from a user's file; no other module name starts with it."""

_FRAME = re.compile(r'^[ |]*File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
"""A frame in the text of a traceback, which is the form in which tracebacks of other processes arrive."""

_ABSOLUTE = "absolute"
"""Subfolder of the folder of copies, for files from outside the current folder."""


def load_name(path: Path, name: str) -> Any:
    """Import a Python file, which runs it, and return its attribute ``name``.

    Raises ``ValueError`` if the file does not exist, fails, or has no such name.
    """
    module = _import(path)
    if name not in vars(module):
        public = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        raise ValueError(f"{path} has no {name!r}{nearest(name, public)}")
    return vars(module)[name]


def user_modules() -> list[ModuleType]:
    """Return the modules that ``load_name`` imported from users' files, and modules imported from the same folders."""
    modules = _imported()
    return modules + _modules_from({_file(module).parent for module in modules})


def location_in_user_code(error: BaseException) -> str:
    """Return the innermost frame of an error in a user's file, as ``my.py, line 12, in read``, or ""."""
    files = {str(_file(module)) for module in user_modules()}
    frames = _frames(error) if files else []
    locations = [f"{_relative(path)}, line {line}, in {name}" for path, line, name in frames if path in files]
    return locations[-1] if locations else ""


def named(method: Callable[..., Any]) -> str:
    """Return the name of a method for messages, with its location if it is a user's: ``Mine.term (my.py, line 12)``.

    A method inherited from a class of the package counts as the package's.
    """
    method = inspect.unwrap(getattr(method, "func", method))  # a partial has func
    code = getattr(method, "__code__", None)
    if code is None or method.__module__.split(".")[0] == "taskscape":
        return method.__qualname__
    return f"{method.__qualname__} ({_relative(code.co_filename)}, line {code.co_firstlineno})"


def _frames(error: BaseException) -> list[tuple[str, str, str]]:
    """Return file, line and function of each frame in the traceback of an error and of its causes."""
    return _FRAME.findall("".join(traceback.format_exception(error)))


def _relative(path: str) -> str:
    """Return the path of a file, relative to the current folder if it is inside."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path


def source_of(cls: type) -> Path:
    """Return the file of a user's class. Raises ``ValueError`` if the class cannot be imported from a file."""
    try:
        path = Path(inspect.getfile(cls)).resolve()
    except (OSError, TypeError):  # a class of a notebook or an interactive session
        path = Path()
    if not path.is_file():
        raise ValueError(
            f"{cls.__name__} is defined in a notebook or an interactive session, but what is saved refers to the file "
            "of a class: write it to a file, such as my.py, and import it"
        )
    if "." in cls.__qualname__:
        raise ValueError(
            f"{cls.__qualname__} is defined within a function or a class, so it cannot be imported from {path.name}: "
            "move it to the top level of the file"
        )
    return path


def saved_path(cls: type) -> Path:
    """Return the path under which a user's class is saved, relative to the current folder if it is inside.

    Raises ``ValueError`` if the class cannot be imported from a file.
    """
    path = source_of(cls)
    original = _ORIGINALS.get(path, path)
    return original.relative_to(Path.cwd()) if original.is_relative_to(Path.cwd()) else original


def keep_code(value: Any, folder: Path) -> None:
    """Copy the users' files that the classes in ``value`` need to ``folder``/code, for a file saved in ``folder``.

    Raises ``OSError`` with the name of the file.
    """
    for cls in set(_classes(value)):
        if cls.__module__.split(".")[0] == "taskscape":
            continue
        file = source_of(cls)
        for source in (file, *map(_file, _modules_from({file.parent}))):
            copy = _copy_path(folder / "code", saved_path(cls).parent / source.relative_to(file.parent))
            with writing(copy):
                copy.parent.mkdir(parents=True, exist_ok=True)
            if copy.resolve() != source:
                atomic_write(copy, source.read_bytes())


@contextmanager
def saved_code(folder: Path | None) -> Iterator[None]:
    """Make ``code_of`` return the copies that ``keep_code`` saved in ``folder``, or no copies for None."""
    token = _CODE.set(folder / "code" if folder else None)
    try:
        yield
    finally:
        _CODE.reset(token)


def code_of(file: Path) -> Path:
    """Return the file to import: the user's own file, or its copy if any of the copied files is gone or has changed."""
    folder = _CODE.get()
    if folder is None or not (copy := _copy_path(folder, file)).is_file():
        return file
    if not (reason := _reason_for_copies(folder, file)):
        return file
    if copy.resolve() not in _ORIGINALS:
        digest = hashlib.sha256(copy.read_bytes()).hexdigest()[:16]
        print(f"{reason}: running the saved copy, {copy} (SHA-256 {digest}…)", file=sys.stderr)
    _ORIGINALS[copy.resolve()] = file.absolute()
    return copy


def _reason_for_copies(folder: Path, file: Path) -> str:
    """Return why the copies in a folder must replace a user's file and its imports, or "" if they need not."""
    if not file.is_file():
        return f"there is no {file} here"
    for copy in sorted(folder.rglob("*.py")):
        root, *parts = copy.relative_to(folder).parts
        original = Path("/", *parts) if root == _ABSOLUTE else Path(root, *parts)
        if not original.is_file() or original.read_bytes() != copy.read_bytes():
            return f"{original} has changed since" if original.is_file() else f"there is no {original} here"
    return ""


def _copy_path(folder: Path, file: Path) -> Path:
    """Return the path of the copy of a user's file in the folder of copies."""
    return folder.joinpath(_ABSOLUTE, *file.parts[1:]) if file.is_absolute() else folder / file


def _classes(value: Any) -> Iterator[type]:
    """Yield the classes of a dataclass and of the dataclasses in it."""
    if is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        items: Any = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, Mapping):
        items = value.values()
    else:
        items = value if isinstance(value, list | tuple) else ()
    for item in items:
        yield from _classes(item)


# -- importing ---------------------------------------------------------------------------------------------------------


def _import(path: Path) -> ModuleType:
    path = path.resolve()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(path.name) and Path(file).resolve() == path:
            return module  # a second copy would have classes of its own, unequal to the first one's
    if not path.is_file():
        raise ValueError(f"there is no Python file {path}; relative paths start at the current folder")
    name = f"{_USER_FILE}{path}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file: its name must end in .py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        with _imports_from(path.parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script may call sys.exit
        del sys.modules[name]
        lines = [line for file, line, _ in _frames(error) if file == str(path)]
        location = f"{path}, line {lines[-1]}," if lines else str(path)
        raise ValueError(f"{location} could not be imported: {type(error).__name__}: {error}") from error
    return module


@contextmanager
def _imports_from(folder: Path) -> Iterator[None]:
    """Make imports find modules in a user's folder instead of modules with the same names from other such folders."""
    other_folders = {_file(module).parent for module in _imported()} - {folder}
    hidden = {module.__name__ for module in _modules_from(other_folders)}
    hidden = {name for name in hidden if _has_module(folder, name.partition(".")[0])}
    hidden_modules = {name: sys.modules.pop(name) for name in hidden}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        _IMPORTED_FROM[folder] = _modules_from({folder})
        sys.path.remove(str(folder))
        sys.modules.update(hidden_modules)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # for imports within functions


def _imported() -> list[ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name.startswith(_USER_FILE)]


def _file(module: ModuleType) -> Path:
    return Path(module.__file__ or "").resolve()


def _modules_from(folders: Set[Path]) -> list[ModuleType]:
    """Return the modules that were imported from these folders under their own names."""
    remembered = [(module.__name__, module) for folder in folders for module in _IMPORTED_FROM.get(folder, [])]
    modules = [(name, module) for name, module in [*remembered, *sys.modules.items()] if name != "taskscape"]
    unique = {id(m): m for name, m in modules if _import_root(name, getattr(m, "__file__", None) or "") in folders}
    return list(unique.values())


@cache  # resolving links accesses the disk, and there are thousands of modules
def _import_root(name: str, file: str) -> Path | None:
    """Return the folder from which a module can be imported under its own name, or None if its file does not match."""
    stem = name.replace(".", "/")
    suffix = next((suffix for suffix in (f"{stem}.py", f"{stem}/__init__.py") if file.endswith(f"/{suffix}")), None)
    if suffix is None:
        return None
    path = Path(file).resolve()
    folder = path.parents[suffix.count("/")]
    return folder if path == folder / suffix else None


def _has_module(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()
