"""The page in the package is built from the sources in ``web/``."""

import hashlib
import json
import lzma
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from taskscape.export.web.page import BUILT, RUNTIMES

WEB = Path(__file__).parents[2] / "web"
REMEDY = "run `npm ci && npm run build` in the folder web, and commit what it writes"
HAS_NODE = shutil.which("node") is not None and (WEB / "node_modules/esbuild").is_dir()
needs_node = pytest.mark.skipif(not HAS_NODE, reason="needs Node.js 20, and `npm ci` in the folder web")


def manifest() -> Any:
    return json.loads((BUILT / "manifest.json").read_text("utf-8"))


def test_it_was_built_from_these_sources() -> None:
    files = [WEB / name for name in ("build.mjs", "package.json", "package-lock.json", "tsconfig.json")]
    files += [path for folder in ("page", "src") for path in (WEB / folder).rglob("*") if path.is_file()]
    hashes = {path.relative_to(WEB).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert hashes == manifest()["sources"], REMEDY


def test_runtimes_are_what_the_manifest_says() -> None:
    for name in RUNTIMES:
        content = lzma.decompress((BUILT / f"{name}.xz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == manifest()["runtimes"][name.removeprefix("runtime-")], REMEDY


@needs_node
def test_building_again_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("manifest.json", *(f"{runtime}.xz" for runtime in RUNTIMES)):  # packed files are not packed again
        shutil.copy(BUILT / name, tmp_path / name)
    subprocess.run(["node", WEB / "build.mjs", "--out", tmp_path], check=True, timeout=600)
    for file in BUILT.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes(), f"{file.name}: {REMEDY}"


@needs_node
def test_unit_tests_and_types_of_the_page(tmp_path: Path) -> None:
    subprocess.run([WEB / "node_modules/.bin/tsc", "--noEmit"], check=True, cwd=WEB, timeout=600)
    subprocess.run(["node", "build.mjs", "--tests", "--out", tmp_path], check=True, cwd=WEB, timeout=600)
    tests = sorted(tmp_path.glob("*.mjs"))
    assert tests
    done = subprocess.run(["node", "--test", *tests], cwd=WEB, timeout=600, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_licenses_of_what_is_inside_are_named() -> None:
    text = (BUILT / "LICENSES.txt").read_text("utf-8")
    for name in (
        "ONNX Runtime",
        "Eigen",
        "abseil",
        "FlatBuffers",
        "Dawn",
        "Emscripten",
        "xz-decompress",
        "Apache License",
    ):
        assert name in text


def test_nothing_names_where_packages_came_from() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text("utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
