"""The page as the server delivers it: the point cloud, two networks side by side, the camera."""

import importlib.util
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from browsers import CHROMIUM, FLAGS, PATIENCE, browser, needs_browser, opened, wait_for_prediction
from taskscape.app.server import start
from taskscape.export.web import write_folder
from tiny_pages import network

HAS_ONNX = importlib.util.find_spec("onnx") is not None
pytestmark = [needs_browser, pytest.mark.skipif(not HAS_ONNX, reason="needs the extra export")]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    networks = [network("runs/dark"), network("runs/bright", 40, meters=4.0), network("runs/flat", depth=False)]
    page = write_folder(networks, tmp_path_factory.mktemp("page")).parent
    with start(0) as server:
        server.files = {file.name: file for file in page.iterdir()}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"{server.address}#runtime=wasm"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=2") as started:
        yield started


@pytest.fixture(scope="module")
def page(chromium: Any, address: str) -> Iterator[Any]:
    with opened(chromium, address) as page:
        wait_for_prediction(page)
        yield page


def cloud(page: Any) -> bytes:
    """Return the drawing of the cloud after the next frame."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    text: str = page.evaluate("() => document.querySelector('#cloud-canvas').toDataURL()")
    return text.encode()


def draws_anew(page: Any, drawn: set[bytes]) -> bool:
    """Return whether the cloud is drawn differently from before."""
    now = cloud(page)
    is_new = now not in drawn
    drawn.add(now)
    return is_new


def test_webassembly_has_threads(page: Any) -> None:
    assert page.evaluate("() => crossOriginIsolated")
    assert "WebAssembly" in page.inner_text("#status")


def test_the_cloud_turns_by_keys_pointer_and_wheel(page: Any) -> None:
    page.click("#tab-cloud")
    first = cloud(page)
    drawn = {first}
    page.focus("#cloud-canvas")
    for key in ("ArrowLeft", "ArrowUp", "+", "Shift+ArrowLeft"):
        page.keyboard.press(key)
        assert draws_anew(page, drawn), key
    box = page.locator("#cloud-canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 20, steps=3)
    page.mouse.up()
    assert draws_anew(page, drawn)
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    assert draws_anew(page, drawn)
    page.keyboard.press("Home")
    assert cloud(page) == first


def test_the_cloud_has_colors_a_reach_and_an_angle(page: Any) -> None:
    page.click("#tab-cloud")
    drawn = {cloud(page)}
    page.select_option("#cloud-color", "semseg")
    assert draws_anew(page, drawn)
    assert page.inner_text("#cloud-angle ~ output") == "53°, assumed"
    for control, key in (("#cloud-angle", "ArrowRight"), ("#cloud-reach", "Home")):
        before = page.inner_text(f"{control} ~ output")
        page.focus(control)
        page.keyboard.press(key)
        assert page.inner_text(f"{control} ~ output") != before
        assert draws_anew(page, drawn), control
    assert page.inner_text("#cloud-angle ~ output") == "54°"
    page.select_option("#model", label="runs/flat")
    page.wait_for_selector("#cloud-help:has-text('runs/flat does not predict depth')", timeout=PATIENCE)
    page.select_option("#model", label="runs/dark")
    page.wait_for_selector("#cloud-help:has-text('Drag')", timeout=PATIENCE)
    wait_for_prediction(page)


def test_two_networks_have_a_slider_between_them(page: Any) -> None:
    page.click("#tab-compare")
    page.wait_for_selector("#compare-words:has-text('The same class in')", timeout=PATIENCE)
    assert page.locator(".between .name span").all_inner_texts() == ["runs/dark", "runs/bright"]
    slider = page.locator("#compare-slider")
    assert "runs/dark on the left" in slider.get_attribute("aria-label")
    before = page.screenshot()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "49"
    page.keyboard.press("Home")
    assert page.screenshot() != before
    box = slider.bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    assert abs(int(slider.input_value()) - 80) <= 2
    page.select_option("#compare-map", label="Depth")
    assert page.inner_text("#compare-words").startswith("Distances differ by")
    page.select_option("#compare-with", label="runs/flat")
    page.wait_for_selector("#compare-words:has-text('The same class in 100 %')", timeout=PATIENCE)
    assert page.locator("#compare-map option").all_inner_texts() == ["Classes"]
    page.select_option("#model", label="runs/flat")
    page.wait_for_selector(".between .name.left:has-text('runs/flat')", timeout=PATIENCE)
    assert page.locator("#compare-with option").all_inner_texts() == ["runs/dark", "runs/bright"]


def test_networks_without_a_common_map_have_no_slider(chromium: Any, tmp_path: Path) -> None:
    classes, depth = network("classes", depth=False), network("depth")
    depth.about["outputs"] = [output for output in depth.about["outputs"] if output["name"] == "depth"]
    with opened(chromium, write_folder([classes, depth, network("both")], tmp_path / "page")) as page:
        wait_for_prediction(page)
        page.click("#tab-compare")
        page.select_option("#compare-with", label="depth")
        page.wait_for_selector("#compare-words:has-text('no map in common')", timeout=PATIENCE)
        assert not page.is_visible("#compare-map") and not page.is_visible("#compare-slider")
        page.select_option("#compare-with", label="both")
        page.wait_for_selector("#compare-words:has-text('The same class in')", timeout=PATIENCE)
        assert page.is_visible("#compare-map") and page.is_visible("#compare-slider")


def test_the_camera_starts_switches_and_stops(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        wait_for_prediction(page)
        page.click("#camera")
        page.wait_for_selector("#camera-speed:has-text('frames per second')", timeout=PATIENCE)
        assert page.inner_text("#status").startswith("Camera: 2 maps")
        assert page.inner_text("#camera") == "Stop camera"
        page.click("#camera-swap")
        page.wait_for_selector("#camera-speed:empty", state="attached", timeout=PATIENCE)
        page.wait_for_selector("#camera-speed:has-text('frames per second')", timeout=PATIENCE)
        page.click("#camera")
        assert page.inner_text("#camera") == "Camera"
        assert not page.is_visible("#camera-swap") and not page.is_visible("#camera-speed")
        assert not page.is_visible("#error")


def test_a_camera_that_is_gone_is_said(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        wait_for_prediction(page)
        page.evaluate(
            """() => {
                const media = navigator.mediaDevices, own = media.getUserMedia.bind(media);
                media.getUserMedia = async (asked) => (window.stream = await own(asked));
            }"""
        )
        page.click("#camera")
        page.wait_for_selector("#camera-speed:has-text('frames per second')", timeout=PATIENCE)
        page.evaluate("() => stream.getVideoTracks()[0].dispatchEvent(new Event('ended'))")
        page.wait_for_selector("#error:has-text('The camera was disconnected')", timeout=PATIENCE)
        wait_for_prediction(page)  # the prediction in progress
        assert page.is_visible("#error")
        assert page.inner_text("#camera") == "Camera"


def test_another_network_takes_the_picture_that_was_opened_last(page: Any) -> None:
    page.select_option("#model", label="runs/dark")
    wait_for_prediction(page)
    picture = io.BytesIO()
    Image.new("RGB", (300, 200)).save(picture, "PNG")
    page.set_input_files("#file", {"name": "new.png", "mimeType": "image/png", "buffer": picture.getvalue()})
    page.select_option("#model", label="runs/bright")
    page.wait_for_function("() => taskscapeFrame.model.about.name === 'runs/bright'", timeout=PATIENCE)
    wait_for_prediction(page)
    assert page.evaluate("[taskscapeFrame.picture.width, taskscapeFrame.model.about.name]") == [300, "runs/bright"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--deny-permission-prompts",), "This page is not allowed to use the camera: allow it"),
        (("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=0"), "There is no camera"),
    ],
)
def test_without_a_camera_the_page_says_what_to_do(
    chromium: Any, address: str, flags: tuple[str, ...], said: str
) -> None:
    other = chromium.browser_type.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
    try:
        with opened(other, address) as page:
            page.click("#camera")
            page.wait_for_selector(f"#error:has-text('{said}')", timeout=PATIENCE)
            assert page.inner_text("#camera") == "Camera" and page.is_enabled("#camera")
    finally:
        other.close()


def test_it_is_as_wide_as_a_phone(chromium: Any, address: str) -> None:
    with opened(chromium, address, width=390, has_touch=True, is_mobile=True, color_scheme="dark") as page:
        wait_for_prediction(page)
        for tab in ("cloud", "compare"):
            page.click(f"#tab-{tab}")
            page.wait_for_timeout(200)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_no_picture_can_be_sent(chromium: Any, address: str) -> None:
    """The page's content policy blocks even its own server."""
    page = chromium.new_page()
    page.goto(address)
    sent = page.evaluate("() => fetch('/', { method: 'POST', body: 'picture' }).then(() => 'sent', () => 'refused')")
    assert sent == "refused"
    page.close()
