"""Machine code that is cached between processes."""

import importlib
import shutil
import sys

import numba
import numpy as np
import pytest

from taskscape.streets import compiled

CALLER = """\
from .compiled import compiled
from .callee import number


@compiled
def twice():
    return 2 * number()
"""
CALLEE = """\
from .compiled import compiled


@compiled
def number():
    return {}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a package with the decorator, and a function to write and import it as a new process would."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "__init__.py").touch()
    shutil.copy(compiled.__file__, folder / "compiled.py")
    (folder / "caller.py").write_text(CALLER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)

    def load(number):
        (folder / "callee.py").write_text(CALLEE.format(number))
        for name in [name for name in sys.modules if name.split(".")[0] == "kernels"]:
            del sys.modules[name]
        for path in folder.glob("__pycache__/*.pyc"):
            path.unlink()
        importlib.invalidate_caches()
        return importlib.import_module("kernels.caller").twice

    yield load
    for name in [name for name in sys.modules if name.split(".")[0] == "kernels"]:
        del sys.modules[name]


def test_machine_code_is_kept_until_a_called_file_changes(package):
    first = package(1)
    assert first() == 2 and not first.stats.cache_hits
    again = package(1)
    assert again() == 2 and again.stats.cache_hits
    changed = package(3)
    assert changed() == 6 and not changed.stats.cache_hits


def test_names_are_left_alone():
    from taskscape.streets.render.noise import scatter

    assert scatter.py_func.__qualname__ == "scatter"


def test_references_to_arrays_are_not_counted():
    """This uses a private option of numba; without it a scene takes longer, which no result would reveal."""

    def total(rows):
        found = 0.0
        for row in rows:
            found += row.sum()
        return found

    counted, plain = numba.njit(total), numba.njit(total, **compiled._OPTIONS)
    code = []
    for function in (counted, plain):
        assert function(np.ones((3, 4))) == 12
        code.append("".join(function.inspect_llvm().values()))
    assert "NRT_incref" in code[0] and "NRT_incref" not in code[1]
