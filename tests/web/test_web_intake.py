"""Inputs of the page: images of all kinds, other files, several at once, and drag and drop."""

import importlib.util
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browsers import browser, needs_browser, opened, wait_for_prediction
from taskscape.export.web import write_folder
from taskscape.inference.images import as_rgb
from tiny_pages import network

HAS_ONNX = importlib.util.find_spec("onnx") is not None
pytestmark = [needs_browser, pytest.mark.skipif(not HAS_ONNX, reason="needs the extra export")]

WIDTH, HEIGHT = 90, 60


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Open a page whose network classifies pixels as bright by their red."""
    index = write_folder([network("tiny", depth=False)], tmp_path_factory.mktemp("page"))
    with browser() as chromium, opened(chromium, index) as page:
        wait_for_prediction(page)
        yield page


def give(page: Any, name: str, content: bytes) -> None:
    """Open a file, and wait until the page has processed all inputs."""
    page.set_input_files("#file", {"name": name, "mimeType": "", "buffer": content})
    wait_for_prediction(page)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def half() -> Image.Image:
    """Return an image whose left half is bright."""
    rgb = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    rgb[:, : WIDTH // 2] = 220
    return Image.fromarray(rgb)


def turned() -> bytes:
    """Return the same image from a camera held upright: the file has the rotated image and an orientation tag."""
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to the right
    return encoded(half().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)


def transparent(alpha: int) -> Image.Image:
    image = half().convert("RGBA")
    image.putalpha(alpha)
    return image


def of_16_bits() -> Image.Image:
    return Image.fromarray(np.asarray(half().convert("L")).astype(np.uint16) * 257)


PICTURES = {
    "gray.png": encoded(half().convert("L"), "PNG"),
    "palette.png": encoded(half().quantize(4), "PNG"),
    "16-bit.png": encoded(of_16_bits(), "PNG"),
    "half-transparent.png": encoded(transparent(128), "PNG"),
    "transparent.png": encoded(transparent(0), "PNG"),
    "transparent.webp": encoded(transparent(0), "WEBP", lossless=True, exact=True),
    "turned.jpg": turned(),
    "cmyk.jpg": encoded(half().convert("CMYK"), "JPEG", quality=95),
    "progressive.jpg": encoded(half(), "JPEG", quality=95, progressive=True),
    "moving.gif": encoded(half(), "GIF", save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT))]),
    "lossless.webp": encoded(half(), "WEBP", lossless=True),
    "windows.bmp": encoded(half(), "BMP"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_every_kind_are_upright_and_as_bright(page: Any, name: str) -> None:
    give(page, name, PICTURES[name])
    assert page.inner_text("#status").startswith(f"{name}: one map of {WIDTH} × {HEIGHT} ")
    assert not page.is_visible("#error")
    ids = np.array(page.evaluate("Array.from(taskscapeFrame.values.get('semseg').data)")).reshape(HEIGHT, WIDTH)
    assert (ids[:, : WIDTH // 2 - 4] == 1).all()
    assert (ids[:, WIDTH // 2 + 4 :] == 0).all()


def test_colors_of_transparent_pixels_are_those_of_python(page: Any) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    rgba[: HEIGHT // 2, :, 3] = 0
    give(page, "transparent.png", encoded(Image.fromarray(rgba), "PNG"))
    read = f"Array.from(taskscapeFrame.picture.getContext('2d').getImageData(0, 0, {WIDTH}, {HEIGHT}).data)"
    pixels = np.array(page.evaluate(read)).reshape(HEIGHT, WIDTH, 4)
    np.testing.assert_array_equal(pixels[..., :3], as_rgb(rgba))


def test_a_picture_of_one_pixel_is_a_picture(page: Any) -> None:
    give(page, "one.png", encoded(Image.new("RGB", (1, 1), (255, 0, 0)), "PNG"))
    assert page.evaluate("taskscapeFrame.values.get('semseg').data.every((id) => id === 1)")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", b"no picture", "notes.txt cannot be opened by this browser: choose a JPEG"),
        ("empty.png", b"", "empty.png is empty: choose another picture"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + bytes(200), "cannot be opened by this browser: choose a JPEG"),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "cannot be opened"),
        ("broken.jpg", encoded(half(), "JPEG")[:300], f"({WIDTH} × {HEIGHT} pixels) cannot be opened: it is damaged"),
        ("page.jpg", b"<!doctype html><script>alert(1)</script>", "cannot be opened"),
        (
            "wide.png",
            encoded(Image.new("RGB", (20_000, 10)), "PNG"),
            "too wide: crop it so that it is at most 68.2",
        ),
        ("high.png", encoded(Image.new("RGB", (10, 20_000)), "PNG"), "too narrow: crop it so that it is at most 1.8"),
    ],
)
def test_what_is_no_picture_is_said_and_what_was_shown_stays(page: Any, name: str, content: bytes, said: str) -> None:
    give(page, "half.png", encoded(half(), "PNG"))
    give(page, name, content)
    assert said in page.inner_text("#error")
    assert page.evaluate("taskscapeFrame.picture.width") == WIDTH
    give(page, "half.png", encoded(half(), "PNG"))
    assert not page.is_visible("#error")


SLOW = """() => {
    const own = window.createImageBitmap;
    window.createImageBitmap = async (file, options) => {
        if (file.name.startsWith("slow")) await new Promise((done) => setTimeout(done, 500));
        return own(file, options);
    };
}"""


def test_the_picture_that_was_opened_last_is_shown(page: Any) -> None:
    page.evaluate(SLOW)
    sizes = {"slow.png": 200, "first.png": 120, "second.png": 140, "last.png": 100}
    for name, width in sizes.items():
        content = encoded(Image.new("RGB", (width, 80)), "PNG")
        page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": content})
    wait_for_prediction(page)
    assert page.inner_text("#status").startswith("last.png: ")
    assert page.evaluate("taskscapeFrame.picture.width") == sizes["last.png"]


def test_a_wrong_file_is_said_though_a_picture_is_shown_after_it(page: Any) -> None:
    page.evaluate(SLOW)
    page.evaluate(
        """([good, bad]) => {
            for (const [name, bytes] of [["good.png", good], ["bad.png", bad]]) {
                const all = new DataTransfer();
                all.items.add(new File([Uint8Array.from(bytes)], name));
                document.querySelector("#file").files = all.files;
                document.querySelector("#file").dispatchEvent(new Event("change"));
            }
        }""",
        [list(encoded(half(), "PNG")), list(b"no picture")],
    )
    page.wait_for_selector("#error:has-text('bad.png cannot be opened')")
    wait_for_prediction(page)
    assert page.is_visible("#error")


@pytest.mark.parametrize("dropped", ["text", "picture"])
def test_what_is_dropped_is_opened_or_refused(page: Any, dropped: str) -> None:
    page.evaluate(
        """([bytes]) => {
            const all = new DataTransfer();
            if (bytes) all.items.add(new File([Uint8Array.from(bytes)], "dropped.png"));
            else all.setData("text/plain", "https://example.org/picture.png");
            const options = { dataTransfer: all, bubbles: true, cancelable: true };
            for (const kind of ["dragenter", "dragover", "drop"])
                document.body.dispatchEvent(new DragEvent(kind, options));
        }""",
        [list(encoded(half(), "PNG")) if dropped == "picture" else None],
    )
    if dropped == "picture":
        page.wait_for_function("() => document.querySelector('#status').textContent.startsWith('dropped.png')")
    else:
        page.wait_for_selector("#error:has-text('The dropped item is not a file: save the picture')")
    wait_for_prediction(page)
    assert not page.evaluate("() => document.body.classList.contains('dropping')")


def test_after_a_runtime_that_broke_down_the_next_picture_is_predicted(page: Any) -> None:
    page.evaluate(
        """() => {
            const own = Worker.prototype.postMessage;
            Worker.prototype.postMessage = function () {
                Worker.prototype.postMessage = own;
                this.dispatchEvent(new ErrorEvent("error", { message: "out of memory" }));
            };
        }"""
    )
    give(page, "first.png", encoded(half(), "PNG"))
    assert "could not run the network (out of memory): close other pages" in page.inner_text("#error")
    give(page, "second.png", encoded(half(), "PNG"))
    assert page.inner_text("#status").startswith("second.png: ")
    assert not page.is_visible("#error")
