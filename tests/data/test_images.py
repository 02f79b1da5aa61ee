from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskscape.data.readers.images import likely_size_of, read_image, read_image_with_size, resize_image, size_of


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
