"""Image files that are damaged or malicious."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from limited import needs_fork, refused, survived, variants
from PIL import Image, PngImagePlugin

from taskscape.data.readers.gray_labels import read_gray
from taskscape.data.readers.images import read_image, size_of
from taskscape.data.readers.samples import read_exact

pytestmark = needs_fork
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def exif() -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = 6
    data[0x010E] = "x" * 100
    return data


RGB = Image.fromarray(PIXELS)
FILES = {
    "rgb.png": encoded(RGB, "PNG"),
    "palette.png": encoded(RGB.quantize(16), "PNG", transparency=3),
    "gray.png": encoded(RGB.convert("L"), "PNG"),
    "deep.png": encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), "PNG"),
    "turned.jpg": encoded(RGB, "JPEG", exif=exif()),
    "plain.tif": encoded(RGB, "TIFF"),
    "packed.tif": encoded(RGB, "TIFF", compression="tiff_lzw"),
    "lossless.webp": encoded(RGB, "WEBP", lossless=True),
    "moving.gif": encoded(RGB.quantize(16), "GIF", save_all=True, append_images=[RGB.quantize(4)] * 3),
    "moving.png": encoded(RGB, "PNG", save_all=True, append_images=[RGB.rotate(90)] * 3),
    "plain.bmp": encoded(RGB, "BMP"),
    "plain.ppm": encoded(RGB, "PPM"),
}


def read_every_way(path: Path) -> None:
    errors = []
    for read in (
        read_image,
        size_of,
        read_exact,
        lambda path: read_gray(path, 8, "class ids", (6, 8)),
        lambda path: read_gray(path, 16, "disparity", (6, 8)),
    ):
        try:
            read(path)
        except (ValueError, OSError) as error:
            assert path.name in str(error), str(error)
            errors.append(error)
    if errors:
        raise errors[0]


@pytest.mark.parametrize("name", FILES)
def test_damaged_images(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    assert read_image(tmp_path / name).shape in ((12, 16, 3), (16, 12, 3))
    assert survived(read_every_way, variants(FILES[name], tmp_path, Path(name).suffix)) > 10


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes, bits: int = 8, color: int = 0, rows: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


NOTHING = zlib.compress(b"\0" * (1 << 26), 9)
BOMBS = {
    "claims-much.png": png(100_000, 100_000, rows=zlib.compress(b"\0" * 100)),
    "claims-all.png": png(2**31 - 1, 2**31 - 1, rows=b""),
    "claims-much.tif": FILES["plain.tif"].replace(struct.pack("<HHI", 256, 4, 1), b""),
    "claims-nothing.png": png(0, 0, rows=b""),
    "text.png": png(4, 4, chunk(b"zTXt", b"a\0\0" + NOTHING), rows=zlib.compress(b"\0" * 20)),
    "texts.png": png(4, 4, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 900_000))] * 100, rows=b""),
    "profile.png": png(4, 4, chunk(b"iCCP", b"a\0\0" + NOTHING), rows=b""),
    "short.png": png(4, 4, rows=NOTHING[:10]),
    "no-palette.png": png(4, 4, color=3, rows=b""),
    "claims-much.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 0, 0, 0, 54, 40, 2**30, 2**30, 1, 24, *[0] * 6),
    "claims-much.ppm": b"P6 99999999 99999999 255\n" + b"\0" * 99,
    "claims-much.gif": b"GIF89a\xff\xff\xff\xff\x80\0\0" + b"\0" * 6 + b",\0\0\0\0\xff\xff\xff\xff\0\x08\0;",
    "empty.png": b"",
    "text.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
    "page.webp": b"<!doctype html>",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BOMBS[name])
    survived(read_every_way, [tmp_path / name])
    if name.startswith("claims"):
        refused(read_image, tmp_path / name)


def test_a_large_image_that_is_one(tmp_path: Path) -> None:
    """The pixel limit bounds the memory, however small the file is."""
    rows = zlib.compress(b"\0" * (1251 * 10_000), 9)
    (tmp_path / "large.png").write_bytes(png(10_000, 10_000, bits=1, rows=rows))
    assert survived(read_image, [tmp_path / "large.png"], memory=3 << 29) == 0
    assert "120000000 are possible" in refused(read_image, write(tmp_path / "huge.png", png(12_000, 10_001)))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_no_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow passes PostScript to Ghostscript, regardless of the file name."""
    canary = tmp_path / "canary"
    program = write(tmp_path / "gs", f"#!/bin/sh\ntouch {canary}\n".encode())
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(canary) (w) file\nshowpage\n%%EOF\n"
    for suffix in ("png", "eps", "jpg"):
        refused(read_every_way, write(tmp_path / f"script.{suffix}", script))
    assert not canary.exists()


def test_a_wrong_ending_and_several_images(tmp_path: Path) -> None:
    wrong = write(tmp_path / "photo.png", FILES["turned.jpg"])
    assert read_image(wrong).shape == (16, 12, 3)
    for name in ("moving.gif", "moving.png"):
        assert size_of(write(tmp_path / name, FILES[name])) == (12, 16)


def test_much_text_is_not_kept(tmp_path: Path) -> None:
    note = PngImagePlugin.PngInfo()
    note.add_text("Comment", "a" * 100, zip=True)
    assert read_image(write(tmp_path / "note.png", encoded(RGB, "PNG", pnginfo=note))).shape == (12, 16, 3)
