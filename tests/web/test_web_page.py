"""The exported page in a browser: equal values to Python, from disk, on wide and narrow screens, by keyboard."""

import importlib.util
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import taskscape
from browsers import CHROMIUM, FLAGS, PATIENCE, browser, needs_browser, opened, wait_for_prediction
from taskscape.cli import main
from taskscape.export import export
from taskscape.export.web import read_folder, write_folder
from taskscape.released import DEFAULT
from taskscape.views import ConfidenceView
from tiny import tiny

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime"))
pytestmark = [needs_browser, pytest.mark.skipif(not HAS_ONNX, reason="needs the extra export")]

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
TOO_LARGE = 15_000
SOFTWARE_GPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "blocks"
    taskscape.train(tiny(store), folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def folder(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, "web", tmp_path_factory.mktemp("folder")).path


@pytest.fixture(scope="module")
def single(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(run, "web", tmp_path_factory.mktemp("single"), options={"single": True}).path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an image of another size than the network's input."""
    y, x = np.mgrid[:100, :150]
    rgb = np.stack([128 + 120 * np.sin(x / 9), 128 + 120 * np.cos(y / 7), (x * y) % 256], -1).astype(np.uint8)
    path = tmp_path_factory.mktemp("pictures") / "waves.png"
    Image.fromarray(rgb).save(path)
    return path


def expected(run: Path | str, picture: Path, height: int) -> dict[str, np.ndarray]:
    """Return the network's predictions in Python, for the image at the size of its input."""
    model = taskscape.runs.load(run, "cpu")
    with Image.open(picture) as image:
        rgb = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float()
    width = round(rgb.shape[-1] * height / rgb.shape[-2])
    small = F.interpolate(rgb, (height, width), mode="bilinear", antialias=True).round().clamp(0, 255)
    raw = model.forward(small / 255).final
    values = {name: task.decode(raw[name]) for name, task in model.tasks.items()}
    sure = {f"{name}.confidence": task.confidence_of(raw[name]) for name, task in model.tasks.items()}
    return {name: map.numpy() for name, map in {**values, **sure}.items() if map is not None}


def found(page: Any) -> dict[str, np.ndarray]:
    """Return the values on the page."""
    values = page.evaluate(
        "Object.fromEntries([...window.taskscapeFrame.values].map(([name, { data }]) => [name, Array.from(data)]))"
    )
    return {name: np.array(data) for name, data in values.items()}


def show(page: Any, picture: Path) -> None:
    page.set_input_files("#file", picture)
    page.wait_for_function("name => document.querySelector('#status').textContent.startsWith(name)", arg=picture.name)
    wait_for_prediction(page)


def assert_equal(page: Any, values: dict[str, np.ndarray], same: float, bound: float) -> None:
    for name, given in found(page).items():
        true = values[name].ravel()
        assert given.shape == true.shape
        if true.dtype.kind == "i":
            assert (given == true).mean() >= same, name
        else:
            assert np.abs(given - true).max() <= bound * np.abs(true).max(), name


@pytest.mark.parametrize("width", [390, 1400])
def test_values_are_those_of_python(chromium: Any, run: Path, folder: Path, picture: Path, width: int) -> None:
    with opened(chromium, folder / "index.html", width) as page:
        show(page, picture)
        assert_equal(page, expected(run, picture, 32), same=0.999, bound=1e-3)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.inner_text("#name") == "blocks"
        assert "WebAssembly" in page.inner_text("#status")


def test_one_file_has_all_inside(chromium: Any, run: Path, single: Path, picture: Path, tmp_path: Path) -> None:
    assert single.stat().st_size < 15_000_000
    alone = tmp_path / "elsewhere.html"
    alone.write_bytes(single.read_bytes())
    with opened(chromium, alone) as page:
        show(page, picture)
        assert_equal(page, expected(run, picture, 32), same=0.99, bound=0.01)


def test_the_card_of_a_page_says_how_to_open_it(folder: Path) -> None:
    card = (folder.parent / "model-card.md").read_text("utf-8")
    assert "its `index.html`" in card and "Examples beside the file" not in card


@pytest.mark.parametrize("width", [390, 1400])
def test_it_shows_how_sure_the_network_is(
    chromium: Any, run: Path, picture: Path, tmp_path: Path, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", str(run), "--to", "web", "--confidence", "--out", str(tmp_path)])
    assert "semseg.confidence" in capsys.readouterr().out
    with opened(chromium, tmp_path / "page/index.html", width) as page:
        show(page, picture)
        assert list(found(page)) == ["semseg", "depth", "normals", "semseg.confidence"]
        assert_equal(page, expected(run, picture, 32), same=0.999, bound=1e-3)
        page.get_by_text("Segmentation, confidence").click()
        words = page.inner_text("#legend")
        for part in (*ConfidenceView("probability that the class is right").key()[:1], "0, unsure", "100 %, sure"):
            assert str(part) in words
        sure = page.inner_text("#readings dd >> nth=0 >> small")
        at = found(page)["semseg.confidence"].reshape(32, 48)[19, 24]  # the initial position of the point
        assert sure == f"{100 * at:.{at < 0.1:d}f} % sure"
        assert page.inner_text("#readings dd >> nth=1 >> small") == ""  # depth has no confidence
        colors = page.eval_on_selector(
            ".stage .map", "map => Array.from(map.getContext('2d').getImageData(0, 0, 48, 32).data)"
        )
        given = found(page)["semseg.confidence"].reshape(32, 48).astype(np.float32)
        assert np.array_equal(np.array(colors).reshape(32, 48, 4)[..., :3], ConfidenceView("").colorize(given))
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_files_that_are_no_pictures_get_a_message(chromium: Any, folder: Path, picture: Path, tmp_path: Path) -> None:
    with opened(chromium, folder / "index.html") as page:
        wait_for_prediction(page)
        for name, content, words in (
            ("notes.txt", b"no picture", "cannot be opened"),
            ("empty.png", b"", "is empty"),
            ("half.png", picture.read_bytes()[:200], "cannot be opened"),
            ("huge.png", huge_png(), "at most 100 million pixels"),
            ("line.png", png(900, 2), "too wide"),
        ):
            (tmp_path / name).write_bytes(content)
            page.set_input_files("#file", tmp_path / name)
            page.wait_for_function("words => document.querySelector('#error').textContent.includes(words)", arg=words)
            assert page.get_by_role("alert").is_visible()
        show(page, picture)
        assert not page.get_by_role("alert").is_visible()


def png(width: int, height: int) -> bytes:
    """Return a black PNG image."""
    rows = zlib.compress(bytes(height * (1 + width)))
    return _png(width, height, rows)


def huge_png() -> bytes:
    """Return a file that claims more pixels than a browser has memory for."""
    return _png(TOO_LARGE, TOO_LARGE, zlib.compress(bytes(1000)))


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_large_pictures_are_made_smaller(chromium: Any, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("RGB", (5000, 3000), (90, 120, 60)).save(path)
    with opened(chromium, folder / "index.html", 390) as page:
        show(page, path)
        assert page.evaluate("[taskscapeFrame.picture.width, taskscapeFrame.pixels.width]") == [4096, 53]


def test_a_folder_that_is_not_whole_says_what_is_missing(chromium: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes((folder / "index.html").read_bytes())
    page = chromium.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    page.wait_for_selector("#error:has-text('model-0.js')", timeout=PATIENCE)
    page.close()


def test_everything_works_by_keyboard(chromium: Any, folder: Path, picture: Path) -> None:
    with opened(chromium, folder / "index.html") as page:
        show(page, picture)
        readings = page.get_by_label("The picture with the predicted map", exact=False)
        readings.focus()
        before = page.inner_text("#readings")
        for _ in range(6):
            page.keyboard.press("Shift+ArrowRight")
            page.keyboard.press("Shift+ArrowUp")
        assert page.inner_text("#readings") != before
        assert "m" in page.inner_text("#readings dd >> nth=1")
        page.get_by_label("Depth", exact=True).focus()
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#legend h2").lower().endswith("normals")
        page.get_by_label("Map over picture").focus()
        page.keyboard.press("Home")
        assert page.eval_on_selector(".stage .map", "map => map.style.opacity") == "0"
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Licenses").press("Enter")
        assert "ONNX Runtime" in page.inner_text("#licenses-text")
        page.keyboard.press("Escape")
        assert not page.is_visible("#licenses-text")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: npm ci in the folder web")
def test_axe_finds_nothing(chromium: Any, folder: Path, picture: Path, scheme: str) -> None:
    with opened(chromium, folder / "index.html", 390, color_scheme=scheme, bypass_csp=True) as page:
        show(page, picture)
        page.add_script_tag(path=AXE)
        for tab in page.get_by_role("tab").all():
            tab.click()
            violations = page.evaluate("axe.run().then(({ violations }) => violations)")
            assert not violations, [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations]


def test_the_released_model_is_as_exact_in_one_file(chromium: Any, tmp_path: Path) -> None:
    done = export(DEFAULT, "web", tmp_path, options={"single": True})
    assert done.path.stat().st_size < 15_000_000
    with opened(chromium, done.path, 390) as page:
        wait_for_prediction(page)
        picture = tmp_path / "street.png"  # JPEG decoders may give different bytes
        with Image.open(taskscape.released.PHOTOGRAPH) as street:
            street.save(picture)
        show(page, picture)
        assert_equal(page, expected(DEFAULT, picture, 240), same=0.995, bound=0.03)


@pytest.mark.parametrize("wrong", [False, True])
def test_a_gpu_is_used_where_it_computes_the_same(
    chromium: Any, run: Path, folder: Path, picture: Path, tmp_path: Path, wrong: bool
) -> None:
    page_folder = shutil.copytree(folder, tmp_path / "page")
    if wrong:
        models = read_folder(folder)
        means = dict.fromkeys(models[0].probe["means"], 1e6)
        write_folder([replace(models[0], probe={**models[0].probe, "means": means})], page_folder)
    other = chromium.browser_type.launch(executable_path=CHROMIUM, args=[*FLAGS, *SOFTWARE_GPU])
    try:
        with opened(other, page_folder / "index.html") as page:
            if not page.evaluate("navigator.gpu?.requestAdapter().then(Boolean)"):
                pytest.skip("this Chromium has no WebGPU")
            show(page, picture)
            assert ("WebGPU" in page.inner_text("#status")) != wrong
            assert_equal(page, expected(run, picture, 32), same=0.99, bound=0.01)
    finally:
        other.close()
