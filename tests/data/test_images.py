import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskscape.data.readers.images import likely_size_of, read_image, read_image_with_size, resize_image, size_of
from taskscape.data.readers.samples import read_samples


def rgb(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_images_of_all_modes(tmp_path: Path) -> None:
    color = rgb(4, 6)
    gray = np.asarray(color.convert("L"))
    three = np.repeat(gray[..., None], 3, -1)

    def read(image: Image.Image, name: str, **options: object) -> np.ndarray:
        return read_image(saved(image, tmp_path / name, **options))

    np.testing.assert_array_equal(read(color, "rgb.png"), color)
    np.testing.assert_array_equal(read(Image.fromarray(gray), "gray.png"), three)
    np.testing.assert_array_equal(read(Image.fromarray(gray.astype(np.uint16) * 257), "deep.png"), three)
    np.testing.assert_array_equal(read(Image.fromarray(gray.astype(np.uint16) * 257), "deep.tif"), three)
    with_alpha = color.copy()
    with_alpha.putalpha(Image.fromarray(gray))
    np.testing.assert_array_equal(read(with_alpha, "rgba.png"), color)
    paletted = color.convert("P")
    np.testing.assert_array_equal(read(paletted, "p.png", transparency=b"\x00\x80"), paletted.convert("RGB"))
    np.testing.assert_array_equal(read(color.convert("1"), "1.png"), color.convert("1").convert("RGB"))
    assert read(color.convert("CMYK"), "cmyk.jpg").shape == (4, 6, 3)


def test_a_camera_held_upright_gives_an_upright_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the image is on the right
    turned = read_image(saved(rgb(4, 6), tmp_path / "a.png", exif=exif))
    np.testing.assert_array_equal(turned, np.rot90(np.asarray(rgb(4, 6)), -1))
    assert read_image_with_size(tmp_path / "a.png", (3, 2), None)[0].shape == (3, 2, 3)


@pytest.mark.parametrize("orientation", [None, *range(10)])  # 0 and 9 mean nothing
def test_the_size_is_that_of_the_upright_image(tmp_path: Path, orientation: int | None) -> None:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    path = saved(rgb(4, 6), tmp_path / "a.png", exif=exif)
    assert size_of(path) == likely_size_of(path) == read_image(path).shape[:2]


def test_images_of_more_than_8_bits_need_a_range(tmp_path: Path) -> None:
    values = np.linspace(0, 4095, 24).reshape(4, 6)
    for name, array in (("deep.png", values.astype(np.uint16)), ("float.tif", values.astype(np.float32))):
        path = saved(Image.fromarray(array), tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name} has .*image_range: 4095.*--image-range"):
            read_image(path)
        expected = np.floor(array.astype(float) * 255 / 4095).astype(np.uint8)
        np.testing.assert_array_equal(read_image(path, value_range=(0, 4095))[..., 2], expected)


def test_images_are_resized_only_where_they_must_be(tmp_path: Path) -> None:
    path, image = saved(rgb(8, 12), tmp_path / "a.png"), np.asarray(rgb(8, 12))
    np.testing.assert_array_equal(read_image_with_size(path, (8, 12), None)[0], image)
    smaller = read_image_with_size(path, (4, 6), None)[0]
    np.testing.assert_array_equal(smaller, resize_image(image, (4, 6)))
    assert smaller.shape == (4, 6, 3) and abs(smaller.mean() - image.mean()) < 5


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    rgb(32, 48).save(tmp_path / "good.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:500])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not an image")
    for name in ("cut.jpg", "empty.png", "text.png"):
        with pytest.raises(ValueError, match=rf"{name} is damaged or not an image.*replace the file or leave it out"):
            read_image(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_image(tmp_path / "nothing.png")


def tiff(planes: np.ndarray, compressed: bool) -> bytes:
    """Return a TIFF of (channels, H, W), each channel a strip, in the array's byte order."""
    order, (channels, height, width) = planes.dtype.str[0], planes.shape
    strips = [plane.tobytes() for plane in planes]
    strips = [zlib.compress(strip) for strip in strips] if compressed else strips
    offsets = [8 + sum(map(len, strips[:number])) for number in range(channels)]
    kind = {"u": 1, "i": 2, "f": 3}[planes.dtype.kind]
    tags = {256: [width], 257: [height], 258: [8 * planes.itemsize] * channels, 259: [8 if compressed else 1],
            262: [2 if channels == 3 else 1], 273: offsets, 277: [channels], 278: [height],
            279: list(map(len, strips)), 284: [2 if channels > 1 else 1], 339: [kind] * channels}  # fmt: skip
    start = 8 + sum(map(len, strips))
    end = start + 2 + 12 * len(tags) + 4
    entries, long = b"", b""
    for tag, values in tags.items():
        data = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            data, long = struct.pack(f"{order}I", end + len(long)), long + data
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + data
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    return head + b"".join(strips) + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + long


@pytest.mark.parametrize("kind", ["u2", "i2", "i4", "f4"])
@pytest.mark.parametrize("compressed", [False, True])
def test_tiffs_of_either_byte_order_hold_the_same_numbers(tmp_path: Path, kind: str, compressed: bool) -> None:
    """Pillow takes what libtiff decoded, which is in the order of the machine, for big-endian if the file is."""
    for order in "<>":
        stored = np.linspace(0 if kind[0] == "u" else -3000, 9000, 24).reshape(1, 4, 6).astype(order + kind)
        (tmp_path / "a.tif").write_bytes(tiff(stored, compressed))
        np.testing.assert_array_equal(read_samples(tmp_path / "a.tif").values, stored[0])


@pytest.mark.parametrize("order", "<>")
def test_planes_of_16_bits_are_not_read_as_bytes(tmp_path: Path, order: str) -> None:
    planes = np.linspace(0, 65535, 72).reshape(3, 4, 6).astype(f"{order}u2")
    (tmp_path / "a.tif").write_bytes(tiff(planes, compressed=False))
    with pytest.raises(ValueError, match=r"a\.tif is a TIFF whose channels .* one after the other: save it as PNG"):
        read_image(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes(tiff(planes, compressed=True))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.moveaxis(planes >> 8, 0, -1))
    with pytest.raises(ValueError, match="in an unsupported way"):
        read_image(tmp_path / "a.tif", (0, 4095))
