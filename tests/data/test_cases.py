"""Real-world folders with rotated photographs, other bit depths, palettes, odd names: never silently wrong."""

import re
import struct
import unicodedata
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from raw_files import save

from taskscape.batch import Target
from taskscape.cli import main
from taskscape.data import Store
from taskscape.data.prepare import prepare
from taskscape.data.readers import Folder
from taskscape.data.readers.images import read_image
from taskscape.data.sources import Packed
from taskscape.inference.loading import stated_range
from taskscape.inference.sources import name_images

H, W = 16, 32
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
PALETTE = "classes: [a, b, c], palette: [[255, 0, 0], [0, 255, 0], [0, 0, 255]]"
ABC = "semseg: {classes: [a, b, c]}"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def ids() -> np.ndarray:
    ids = np.zeros((H, W), np.uint8)
    ids[:, W // 3 :], ids[H // 2 :] = 1, 2
    return ids


def millimeters() -> np.ndarray:
    return np.linspace(1000, 9000, H * W).reshape(H, W).astype(np.uint16)


def write(path: Path, content: object, **options: object) -> None:
    """Write an array, an image, or the bytes of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, Image.Image):
        content.save(path, **options)
    else:
        save(path, np.asarray(content))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def folder(
    raw: Path,
    yaml: str,
    labels: dict[str, object] | None = None,
    images: Callable[[int], object] | None = None,
    count: int = 2,
    names: Callable[[int], str] = str,
    ending: str = ".png",
) -> None:
    """Write a folder of images and labels: for each field and suffix a label, or a function of its number."""
    rng = np.random.default_rng(0)
    for number in range(count):
        image = images(number) if images else rng.integers(0, 256, (H, W, 3), np.uint8)
        write(raw / "images" / (names(number) + ending), image)
        for file, label in (labels or {}).items():
            field, _, suffix = file.partition(".")
            write(raw / field / f"{names(number)}.{suffix}", label(number) if callable(label) else label)
    describe(raw, yaml)


def describe(raw: Path, yaml: str) -> None:
    (raw / "taskscape.yaml").write_text(
        yaml if "splits" in yaml else yaml + "\nsplits: {train: 0.5, val: 0.5}", encoding="utf-8"
    )


def targets(raw: Path, split: str = "train", **settings: object) -> dict[str, Target]:
    prepare(Folder(**settings), raw, raw.with_name("store"), processes=1)
    store = Store.open(raw.with_name("store"), split)
    return store.gather(range(len(store)), tuple(store.fields), torch.device("cpu")).targets


def refused(raw: Path, message: str) -> None:
    """Check that the folder is rejected before anything is written."""
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        prepare(Folder(), raw, raw.with_name("store"), processes=1)
    assert not raw.with_name("store").exists()


def png(rows: np.ndarray, bits: int, kind: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of any bit depth; kind 0 is gray, 2 RGB, 3 palette. Rows are its raw values, (H, W) or (H, W, C)."""
    height, width = rows.shape[:2]
    flat = rows.reshape(height, -1)
    if bits == 16:
        lines = [row.astype(">u2").tobytes() for row in flat]
    else:
        spread = flat[..., None] >> np.arange(bits - 1, -1, -1) & 1
        lines = [np.packbits(row).tobytes() for row in spread.reshape(height, -1)]
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)),
        *chunks,
        (b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines))),
        (b"IEND", b""),
    ]
    body = (struct.pack(">I", len(x)) + t + x + struct.pack(">I", zlib.crc32(t + x)) for t, x in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


# -- rotated photographs -----------------------------------------------------------------------------------------------

STORED_AS = {
    1: lambda up: up,
    2: lambda up: up[:, ::-1],
    3: lambda up: up[::-1, ::-1],
    4: lambda up: up[::-1],
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: up[::-1, ::-1].swapaxes(0, 1),
    8: lambda up: np.rot90(up, -1),
}


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright_as_their_labels(raw: Path, orientation: int, ending: str) -> None:
    upright = np.zeros((H, W, 3), np.uint8)
    upright[: H // 2, : W // 2] = 255
    exif = Image.Exif()
    exif[274] = orientation
    for number in range(2):
        image = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](upright)))
        write(raw / "images" / f"{number}.{ending}", image, exif=exif, **({"quality": 95} if ending == "jpg" else {}))
        write(raw / "semseg" / f"{number}.png", upright[..., 0] // 255)
    describe(raw, "semseg: {classes: [dark, bright]}")
    prepare(Folder(), raw, raw.with_name("store"), processes=1)
    store = Store.open(raw.with_name("store"), "train")
    assert store.size == (H, W)
    batch = store.gather([0], ["semseg"], torch.device("cpu"))
    assert torch.equal(batch.image[0, 0] > 0.5, batch.targets["semseg"].value[0] == 1)


# -- images of more than 8 bits ----------------------------------------------------------------------------------------


def stored_image(raw: Path) -> np.ndarray:
    prepare(Folder(), raw, raw.with_name("store"), processes=1)
    batch = Store.open(raw.with_name("store"), "train").gather([0], (), torch.device("cpu"))
    return batch.image[0].mul(255).round().permute(1, 2, 0).numpy()


def color16(highest: int) -> bytes:
    rows = np.linspace(0, highest, H * W * 3).reshape(H, W, 3).astype(np.uint16)
    return png(rows, 16, 2)


@pytest.mark.parametrize(
    ("image", "ending"),
    [
        (millimeters(), ".png"),
        (millimeters(), ".tif"),
        (millimeters().astype(np.float32) / 9000, ".tif"),
        (color16(4095), ".png"),
    ],
)
def test_a_range_that_is_not_known_is_asked_for(raw: Path, image: object, ending: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()}, images=lambda _: image, ending=ending)
    refused(raw, rf"images/0\{ending} has .*image_range: 4095 in taskscape\.yaml.*--image-range")


@pytest.mark.parametrize(("image_range", "white"), [("4095", 4095), ("[0, 4095]", 4095), ("[1000, 9000]", 9000)])
def test_a_range_that_is_stated_counts(raw: Path, image_range: str, white: int) -> None:
    black = 1000 if "1000" in image_range else 0
    folder(raw, f"{ABC}\nimage_range: {image_range}", {"semseg.png": ids()}, images=lambda _: millimeters())
    expected = np.floor(((millimeters().astype(float) - black) / (white - black)).clip(0, 1) * 255 + 1e-9)
    np.testing.assert_array_equal(stored_image(raw), np.repeat(expected[..., None], 3, -1))
    stated = stated_range(Packed(raw.with_name("store")))
    assert stated == (black, white)
    np.testing.assert_array_equal(stored_image(raw), read_image(raw / "images" / "0.png", value_range=stated))


def test_colors_of_16_bits_and_floats_in_a_stated_range(raw: Path) -> None:
    folder(raw, f"{ABC}\nimage_range: 4095", {"semseg.png": ids()}, images=lambda _: color16(4095))
    np.testing.assert_allclose(stored_image(raw).ravel(), np.linspace(0, 255, H * W * 3), atol=1.1)
    other = raw.with_name("other") / "raw"
    floats = np.linspace(0, 1, H * W).reshape(H, W).astype(np.float32)
    folder(other, f"{ABC}\nimage_range: 1", {"semseg.png": ids()}, images=lambda _: floats, ending=".tif")
    np.testing.assert_array_equal(stored_image(other)[..., 1], np.floor(floats.astype(float) * 255))


def test_the_full_range_of_16_bits_shows_itself(raw: Path) -> None:
    dark_second = [np.full((H, W), 65535, np.uint16), np.full((H, W), 257, np.uint16)]
    folder(raw, ABC, {"semseg.png": ids()}, images=lambda number: dark_second[number])
    assert stored_image(raw).min() == 255
    val = Store.open(raw.with_name("store"), "val").gather([0], (), torch.device("cpu"))
    assert val.image.mul(255).round().unique().tolist() == [1]


@pytest.mark.parametrize("text", ["[9, 1]", "0", ".nan", "bright"])
def test_impossible_ranges(raw: Path, text: str) -> None:
    folder(raw, f"{ABC}\nimage_range: {text}", {"semseg.png": ids()})
    refused(raw, "image_range")


# -- class labels ------------------------------------------------------------------------------------------------------


def rolled_palette(number: int) -> Image.Image:
    order = np.roll(np.arange(3), number)
    image = Image.fromarray(np.argsort(order)[ids()].astype(np.uint8))
    image.putpalette(COLORS[order].tobytes())
    return image


def in_grays(*levels: int) -> Image.Image:
    """Return ids with a palette of grays."""
    image = Image.fromarray(ids())
    image.putpalette(np.array(levels, np.uint8).repeat(3).tobytes())
    return image


def transparent(image: Image.Image) -> Image.Image:
    image.putalpha(Image.fromarray(np.where(np.arange(H)[:, None] < 4, 0, 255).repeat(W, 1).astype(np.uint8)))
    return image


def webp(number: int) -> bytes:
    import io

    content = io.BytesIO()
    Image.fromarray(COLORS[ids()]).save(content, "WEBP", lossless=True)
    return content.getvalue()


@pytest.mark.parametrize(
    ("yaml", "ending", "label"),
    [
        (ABC, "png", ids()),
        (ABC, "png", ids().astype(np.uint16)),
        (ABC, "png", png(ids(), 4, 0)),
        (ABC, "png", png(ids(), 2, 0)),
        (ABC, "png", np.repeat(ids()[..., None], 3, -1)),
        (ABC, "png", png(np.repeat(ids()[..., None], 3, -1), 16, 2)),
        (ABC, "png", rolled_palette(0)),
        (ABC, "png", Image.fromarray(ids()).quantize()),
        (ABC, "png", in_grays(0, 9, 99)),
        (ABC, "png", in_grays(0, 0, 0)),
        ("semseg: {classes: {0: a, 5: b, 2: c}}", "gif", np.array([0, 5, 2], np.uint8)[ids()]),
        ("semseg: {classes: {5: a, 255: b, 0: c}}", "png",
         Image.fromarray(np.array([5, 255, 0], np.uint8)[ids()]).quantize()),
        (ABC, "pgm", b"P5 %d %d 2\n" % (W, H) + ids().tobytes()),
        (ABC, "npy", ids()[None].astype(np.int64)),
        (ABC, "npy", ids()[None, None].astype(np.int64)),
        (ABC, "npy", ids()[..., None].astype(np.float32)),
        (ABC, "tif", ids()),
        (f"semseg: {{{PALETTE}}}", "png", COLORS[ids()]),
        (f"semseg: {{{PALETTE}}}", "png", rolled_palette),
        (f"semseg: {{{PALETTE}}}", "gif", rolled_palette),
        (f"semseg: {{{PALETTE}}}", "webp", webp),
        (f"semseg: {{{PALETTE}}}", "npy", COLORS[ids()]),
        (f"semseg: {{{PALETTE}}}", "png", ids()),
        ("semseg: {classes: {0: a, 100: b, 255: c}}", "png", np.array([0, 100, 255], np.uint8)[ids()]),
        ("semseg: {classes: {0: a, 1: b, 2: c, 7: a}, void: 3}", "png", np.where(ids(), ids(), 7).astype(np.uint8)),
        ("semseg: {classes: [a, b, c], palette: [[0, 0, 0], [128, 0, 0], [255, 255, 255]]}", "png",
         np.array([[0, 0, 0], [128, 0, 0], [255, 255, 255]], np.uint8)[ids()]),
        ("semseg: {classes: [a, b, c], palette: [[0, 0, 0], [9, 9, 9], [255, 255, 255]]}", "png",
         np.array([0, 9, 255], np.uint8)[ids()]),
    ],
)  # fmt: skip
def test_forms_of_class_labels(raw: Path, yaml: str, ending: str, label: object) -> None:
    folder(raw, yaml, {f"semseg.{ending}": label})
    for split in ("train", "val"):
        found = targets(raw, split)["semseg"]
        assert found.valid.all()
        np.testing.assert_array_equal(found.value[0], ids())


@pytest.mark.parametrize(
    ("yaml", "label"),
    [
        (f"semseg: {{{PALETTE}}}", transparent(Image.fromarray(COLORS[ids()]))),
        (ABC, transparent(Image.fromarray(ids()))),
        (ABC, np.where(np.arange(H)[:, None] < 4, np.nan, ids())),
        ("semseg: {classes: [a, b, c], palette: [[255, 0, 0], [0, 255, 0], [0, 0, 255]], void: [[9, 9, 8]]}",
         np.where(np.arange(H)[:, None, None] < 4, np.array([9, 9, 8]), COLORS[ids()]).astype(np.uint8)),
        (f"semseg: {{{PALETTE}}}", png(np.where(np.arange(H)[:, None] < 4, 3, ids()), 2, 3,
                                       (b"PLTE", COLORS.tobytes() + b"\xff\0\0"), (b"tRNS", b"\xff\xff\xff\0"))),
    ],
)  # fmt: skip
def test_pixels_without_a_class(raw: Path, yaml: str, label: object) -> None:
    ending = "npy" if getattr(label, "dtype", None) == np.float64 else "png"
    folder(raw, yaml, {f"semseg.{ending}": label})
    found = targets(raw)["semseg"]
    assert found.valid[0].tolist() == (np.arange(H)[:, None] >= 4).repeat(W, 1).tolist()
    np.testing.assert_array_equal(found.value[0, 4:], ids()[4:])


def test_one_bit_is_what_is_stored_or_else_what_is_shown(raw: Path) -> None:
    label = png((ids() == 1).astype(np.uint8), 1, 0)
    folder(raw, "semseg: {classes: {0: rest, 255: crack}}\nstored: {type: semseg, classes: [rest, crack]}\n"
           "boundaries: {lines: 255}", {"semseg.png": label, "stored.png": label, "boundaries.png": label})  # fmt: skip
    for target in targets(raw).values():
        assert target.valid.all()
        np.testing.assert_array_equal(target.value[0].squeeze(), ids() == 1)


def test_two_ids_of_one_name_are_one_class(raw: Path) -> None:
    folder(raw, "semseg: {classes: {0: ground, 1: ground, 2: no}}", {"semseg.png": ids()})
    assert targets(raw)["semseg"].value.unique().tolist() == [0, 1]
    assert Store.open(raw.with_name("store"), "train").fields["semseg"].classes.classes == ("ground", "no")


@pytest.mark.parametrize("other", ["gro\u0308ßer", "größer "])
def test_a_name_in_two_forms_is_one_class(raw: Path, other: str) -> None:
    folder(raw, f'semseg: {{classes: {{0: größer, 1: "{other}", 2: c}}}}', {"semseg.png": ids()})
    assert targets(raw)["semseg"].value.unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("semseg: {classes: {road: 0, sky: 1}}", r"'road' is not an id: give name by id, \{0: road, 1: sky\} \(line"),
        ("semseg: {classes: {0: a, 1: b, 1: c}}", "has the key '1' twice.*line 1"),
        ("depth: {unit: meter}\ndepth: {unit: meter}", "has the key 'depth' twice.*line 2"),
        ("semseg: {classes: {0: a, 255: b}, void: [255]}", "void names 255, which is also a class"),
        ("semseg: {classes: [a, b], palette: [[0, 0, 0], [1, 1, 1]], void: [[1, 1, 1]]}", r"void names \[1, 1, 1\]"),
        ("semseg: {classes: [a, b], palette: [[0, 0, 0], [0, 0, 0]]}", r"\[0, 0, 0\] is the color of a and b"),
        ("semseg: {classes: [a, b], palette: [[0, 0, 0], [0, 0, 256]]}", r"\[0, 0, 256\] is not a color"),
        ("semseg: {classes: {0.5: a, 1: b}}", r"semseg: classes: 0\.5 is not an id"),
        ("semseg: {classes: {0: , 1: b}}", "'' is not a name"),
        ("semseg: {classes: 3}", "classes is 3: give the names"),
        ("semseg: {classes: [a, b], palette: {a: [0, 0, 0]}}", "palette must be a list of colors"),
        ("semseg: {classes: [a, b], palette: ['#000000', '#ff0000']}", "palette: '#000000' is not a color: give three"),
        ("semseg: {classes: [a], palette: [[0, 0, 0, 255]]}", r"palette: \[0, 0, 0, 255\] is not a color: give three"),
        ("semseg: {classes: [a, b]}", r"0\.png holds \[2\], neither classes nor void"),
        ("semseg: {type: semseg, classes: [a, b], folder: colors}", r"holds colors such as \[255, 0, 0\]: name"),
        ("semseg: {classes: [a, b], palette: [[255, 0, 0], [0, 255, 0]], folder: colors}", r"holds \[\[0, 0, 255\]\]"),
    ],
)  # fmt: skip
def test_contradictions_in_the_description(raw: Path, yaml: str, message: str) -> None:
    folder(raw, yaml, {"semseg.png": ids(), "depth.npy": ids(), "colors.png": COLORS[ids()]})
    refused(raw, message)


@pytest.mark.parametrize("options", [{"format": "JPEG"}, {"format": "WEBP"}, {"format": "TIFF", "compression": "jpeg"}])
@pytest.mark.parametrize("field", ["semseg: {classes: [a, b, c]}", "depth: {unit: unknown}"])
def test_lossy_labels_are_refused_whatever_they_are_called(raw: Path, field: str, options: dict) -> None:
    name = field.partition(":")[0]
    folder(raw, field)
    for number in range(2):
        write(raw / name / f"{number}.png", Image.fromarray(ids()), **options)
    refused(raw, r"0\.png is in a lossy format")


# -- sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [millimeters().T, millimeters()[:, : H + 4], millimeters()[:8]])
def test_another_aspect_ratio_is_refused(raw: Path, label: np.ndarray) -> None:
    folder(raw, "depth: {unit: millimeter}", {"depth.npy": lambda number: label if number else millimeters()})
    refused(raw, rf"1\.npy is {label.shape[0]}x{label.shape[1]}, and its image {H}x{W}")


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_another_resolution_is_not(raw: Path, factor: int) -> None:
    label = millimeters()[factor // 2 :: factor, factor // 2 :: factor]
    folder(raw, "depth: {unit: millimeter}", {"depth.npy": label})
    assert targets(raw)["depth"].value.unique().numel() == label.size


def test_images_of_another_aspect_ratio_are_said(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    write(raw / "images" / "1.png", np.zeros((W, H, 3), np.uint8))
    write(raw / "semseg" / "1.png", ids().T)
    with pytest.warns(UserWarning, match=rf"1 of 2 images has another aspect ratio than the store's {H}x{W}"):
        prepare(Folder(), raw, raw.with_name("store"), processes=1)


def test_huge_images_are_named(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    zeros = zlib.compress(bytes(1000))
    parts = (b"IHDR", struct.pack(">IIBBBBB", 40000, 20000, 8, 0, 0, 0, 0)), (b"IDAT", zeros), (b"IEND", b"")
    body = (struct.pack(">I", len(x)) + t + x + struct.pack(">I", zlib.crc32(t + x)) for t, x in parts)
    (raw / "images" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))
    refused(raw, r"images/1\.png is too large .*make the image smaller")


# -- depth, normals, albedo --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_without_depth_compare_in_the_type_of_the_file(raw: Path, dtype: type) -> None:
    depth = (millimeters() / 1000).astype(np.float32)
    depth[:4], depth[4, :3] = 0.1, np.nan
    folder(raw, "depth: {unit: meter, invalid: 0.1}", {"depth.npy": depth.astype(dtype)[None]})
    valid = targets(raw)["depth"].valid[0]
    assert not valid[:4].any() and not valid[4, :3].any() and valid[5:].all()


@pytest.mark.parametrize(("invalid", "kept"), [("", False), (", invalid: [0]", True)])
def test_the_largest_number_of_16_bits_is_no_depth(raw: Path, invalid: str, kept: bool) -> None:
    depth = millimeters()
    depth[:4] = 65535
    folder(raw, f"depth: {{unit: millimeter{invalid}}}", {"depth.png": depth})
    valid = targets(raw)["depth"].valid[0]
    assert valid[4:].all() and valid[:4].all() == valid[:4].any() == kept


def normals() -> np.ndarray:
    normals = np.zeros((H, W, 3), np.float32)
    normals[:] = 0, 0, -1
    normals[:, : W // 2] = -0.6, 0, -0.8
    return normals


@pytest.mark.parametrize(
    ("ending", "label"),
    [
        ("npy", normals()),
        ("npy", np.rint((normals() + 1) * 127.5).astype(np.uint8)),
        ("npy", np.rint((normals() + 1) * 32767.5).astype(">u2")),
        ("npy", np.asfortranarray(normals().astype(">f8"))),
        ("png", np.rint((normals() + 1) * 127.5).astype(np.uint8)),
        ("png", png(np.rint((normals() + 1) * 32767.5).astype(np.uint16), 16, 2)),
        ("png", Image.fromarray(np.rint((normals() + 1) * 127.5).astype(np.uint8)).quantize(8)),
    ],
)
def test_forms_of_normals(raw: Path, ending: str, label: object) -> None:
    folder(raw, "normals: {}", {f"normals.{ending}": label})
    found = targets(raw)["normals"]
    assert found.valid.all()
    np.testing.assert_allclose(found.value[0].permute(1, 2, 0), normals(), atol=0.02)


@pytest.mark.parametrize("corner", [-1, 1])
def test_black_and_white_are_no_normals_after_decoding_either(raw: Path, corner: int) -> None:
    """(0, 0, 0), no normal, becomes (-1, -1, -1), which seems to face the camera."""
    label = normals()
    label[4:] = corner
    folder(raw, "normals: {}", {"normals.npy": label})
    valid = targets(raw)["normals"].valid[0]
    assert valid[:4].all() and not valid[4:].any()


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (-normals(), "face away from the camera in 100 %"),
        ((normals() + 1) / 2, "vectors of length .* where unit vectors belong"),
        (3 * normals(), "vectors of length 3"),
        ((normals() * 127).astype(np.int8), "holds int8"),
        (np.moveaxis(normals(), -1, 0), r"channels first.*moveaxis"),
    ],
)
def test_normals_that_are_none(raw: Path, label: np.ndarray, message: str) -> None:
    folder(raw, "normals: {}", {"normals.npy": label})
    refused(raw, message)


def test_albedo_in_8_bit_arrays_is_srgb(raw: Path) -> None:
    folder(raw, "albedo: {}", {"albedo.npy": np.full((H, W, 3), 188, np.uint8)})
    np.testing.assert_allclose(targets(raw)["albedo"].value, 0.5029, atol=1e-4)


# -- names and files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("yaml", "ending"), [(ABC, "exr"), (ABC, "json")])
def test_files_that_are_not_used_are_said(raw: Path, capsys: pytest.CaptureFixture, yaml: str, ending: str) -> None:
    folder(raw, yaml, {"semseg.png": ids()}, count=4)
    (raw / "semseg" / "1.png").rename(raw / "semseg" / f"1.{ending}")
    (raw / "images" / ".DS_Store").touch()
    main(["prepare", "folder", str(raw), str(raw.with_name("store")), "--processes", "1"])
    said = " ".join(capsys.readouterr().err.split())
    assert f"semseg: 1 file is not used, such as 1.{ending}: .{ending} is not read" in said
    assert "train: 1 of 2 images has no semseg label, such as 1" in said and "DS_Store" not in said


def test_nested_folders_are_read(raw: Path) -> None:
    names = ["train/a", "train/deep/b", "validation/c"]
    folder(raw, ABC, {"semseg.png": ids()}, count=3, names=names.__getitem__)
    (raw / "taskscape.yaml").write_text(ABC)
    splits = Folder().contents(raw).splits
    assert {split: [one.name for one in some] for split, some in splits.items()} == {
        "train": ["train/a", "train/deep/b"], "val": ["validation/c"],
    }  # fmt: skip
    assert all("semseg" in one.files for some in splits.values() for one in some)


@pytest.mark.parametrize("name", ["val", "valid", "validation", "dev", "VAL"])
def test_names_of_splits_are_understood(raw: Path, name: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()}, names=[f"{name}/a", "Train/b"].__getitem__)
    (raw / "taskscape.yaml").write_text(ABC)
    assert {split: len(some) for split, some in Folder().contents(raw).splits.items()} == {"train": 1, "val": 1}
    (raw / "taskscape.yaml").write_text(f"{ABC}\nsplits: {{train: 0.5, {name}: 0.5}}")
    assert set(Folder().contents(raw).splits) == {"train", "val"}


def test_the_split_may_come_first(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()}, names=["train/a", "valid/a"].__getitem__)
    for split in ("train", "valid"):
        for field in ("images", "semseg"):
            (raw / split).mkdir(exist_ok=True)
            (raw / field / split).rename(raw / split / field)
            if split == "valid":
                (raw / field).rmdir()
    (raw / "taskscape.yaml").write_text(ABC)
    assert [one.name for one in Folder().contents(raw).splits["val"]] == ["valid/a"]
    assert targets(raw, "val")["semseg"].valid.all()


def test_images_and_masks_side_by_side(raw: Path) -> None:
    """As Roboflow exports them: train/a.jpg, train/a_mask.png, train/_classes.csv."""
    folder(raw, ABC, {"semseg.png": ids()}, names=["train/a", "valid/b"].__getitem__)
    for split, name in (("train", "a"), ("valid", "b")):
        (raw / split).mkdir()
        (raw / "images" / split / f"{name}.png").rename(raw / split / f"{name}.png")
        (raw / "semseg" / split / f"{name}.png").rename(raw / split / f"{name}_mask.png")
        for field in ("images", "semseg"):
            (raw / field / split).rmdir()
    for field in ("images", "semseg"):
        (raw / field).rmdir()
    (raw / "taskscape.yaml").write_text("images: .\nsemseg: {classes: [a, b, c], folder: ., suffix: _mask}")
    assert targets(raw, "val")["semseg"].valid.all()


@pytest.mark.parametrize(
    ("names", "splits", "message"),
    [
        (["train/a", "test/b"], "", r"none is val: say which are, such as `splits: \{train: "),
        (["aachen/a", "bochum/b"], "", r"none is train: .*`splits: \{train: 0\.9, val: 0\.1\}`"),
        (["a", "train/b"], "", r"images are in \['\.', 'train'\]"),
        (["a", "b"], "splits: {train: 0.5, test: 0.5}", "splits has no val"),
        (["a", "b"], "splits: {train: 0.9, val: 0.2}", "add up to 1.1"),
        (["a", "b"], "splits: {train: 1.5, val: 1}", "1.5 next to numbers"),
        (["a", "b"], "splits: {train: .nan, val: 1}", "train is nan"),
        (["a", "b"], "splits: {train: 1, val: nowhere.txt}", "neither a text file next to it nor a subfolder"),
        (["a", "b"], "splits: {train: 0.5, val: 0.5, ../x: 0}", "cannot be the name of a folder"),
        (["a", "b"], "splits: {train: 0.5, val: 0.2, valid: 0.1}", "names val twice, once as valid"),
        (
            ["0", "1"],
            "splits: {train: [0], val: [1]}",
            r"splits: train lists 0: put names into quotes, as \['001', '002'\]",
        ),
    ],
)
def test_splits_that_do_not_do(raw: Path, names: list[str], splits: str, message: str) -> None:
    folder(raw, ABC, {"semseg.png": ids()}, names=names.__getitem__)
    (raw / "taskscape.yaml").write_text(f"{ABC}\n{splits}")
    refused(raw, message)


def test_subfolders_may_be_chosen_as_splits(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: aachen, val: bochum}}", {"semseg.png": ids()},
           names=["bochum/b", "aachen/a"].__getitem__)  # fmt: skip
    splits = Folder().contents(raw).splits
    assert [some[0].name for some in splits.values()] == ["aachen/a", "bochum/b"]


def test_a_split_may_list_files_with_their_endings(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: [a.png, x/b], val: [x/c.PNG]}}", {"semseg.png": ids()}, count=3,
           names=["a", "x/b", "x/c"].__getitem__)  # fmt: skip
    splits = Folder().contents(raw).splits
    assert [[sample.name for sample in some] for some in splits.values()] == [["a", "x/b"], ["x/c"]]


def test_the_numbers_of_rows_are_no_names(raw: Path) -> None:
    """pandas writes them first by default; as names they would choose other images."""
    folder(raw, f"{ABC}\nsplits: {{train: train.csv, val: val.csv}}", {"semseg.png": ids()}, count=4)
    (raw / "train.csv").write_text(",image\n0,2.png\n1,3.png\n")
    (raw / "val.csv").write_text("image\n2.png\n")
    refused(raw, r"train\.csv has a first column without a header, .* index=False")


def test_a_split_without_labels_is_refused(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    (raw / "semseg" / "1.png").unlink()
    refused(raw, "no image of val has a label .*label some, or choose other splits")


def test_names_compare_in_one_unicode_form(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: train.txt, val: 1}}", count=2, names=lambda number: f"größe{number}")
    for path in (raw / "images").iterdir():
        write(raw / "semseg" / unicodedata.normalize("NFD", path.name), ids())
    (raw / "train.txt").write_text(unicodedata.normalize("NFD", "größe1\n"), encoding="utf-8")
    (raw / "taskscape.yaml").write_text(f"{ABC}\nsplits: {{train: train.txt, val: val.txt}}", encoding="utf-8")
    (raw / "val.txt").write_text("größe0\n", encoding="utf-8")
    assert [one.name for one in Folder().contents(raw).splits["train"]] == ["größe1"]
    assert targets(raw)["semseg"].valid.all()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + b"0\r\n2\r\n",
        "0\n2\n".encode("utf-16"),
        b"# comment\n\n0.png\n2.jpg\n",
        b"images/0.png\n./images/2.png\n",
        b"C:\\data\\images\\0.png\n/data/images/2.png",
        b"images/0.png semseg/0.png\nimages/2.png semseg/2.png\n",
    ],
)
def test_lists_of_names(raw: Path, content: bytes) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: train.txt, val: val.txt}}", {"semseg.png": ids()}, count=4)
    (raw / "train.txt").write_bytes(content)
    (raw / "val.txt").write_text("1")
    assert [one.name for one in Folder().contents(raw).splits["train"]] == ["0", "2"]
    (raw / "val.txt").write_text("1\n1.png\n")
    refused(raw, r"val\.txt lists 1\.png twice")


def test_names_with_dots_in_lists(raw: Path) -> None:
    folder(raw, f"{ABC}\nsplits: {{train: train.txt, val: val.txt}}", {"semseg.png": ids()}, names="a.{}".format)
    (raw / "train.txt").write_text("a.0")
    (raw / "val.txt").write_text("a.1.png")
    assert [one.name for some in Folder().contents(raw).splits.values() for one in some] == ["a.0", "a.1"]


def test_labels_may_have_a_suffix_also_beside_the_images(raw: Path) -> None:
    folder(raw, ABC)
    for number in range(2):
        write(raw / "semseg" / f"{number}_mask.png", ids())
    refused(raw, "set `suffix: _mask` in the section semseg")
    describe(raw, "semseg: {classes: [a, b, c], suffix: _mask}")
    assert targets(raw)["semseg"].valid.all()
    together = raw.with_name("together")
    (raw / "images").rename(together)
    for path in (raw / "semseg").iterdir():
        path.rename(together / path.name)
    describe(raw, f"images: {together}\nsemseg: {{classes: [a, b, c], suffix: _mask, folder: {together}}}")
    index = Folder().contents(raw)
    assert [one.name for some in index.splits.values() for one in some] == ["0", "1"]
    assert index.source["images without"] == {"semseg": 0}


def test_folders_may_lie_elsewhere(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    (raw / "semseg").rename(raw.with_name("labels"))
    for outside in (raw.with_name("labels"), "../labels"):
        describe(raw, f"semseg: {{classes: [a, b, c], folder: {outside}}}")
        index = Folder().contents(raw)
        assert all(index.read(one).valid["semseg"].all() for some in index.splits.values() for one in some)


def test_a_home_that_nobody_has_is_a_folder_that_is_not_there(raw: Path) -> None:
    folder(raw, ABC, {"semseg.png": ids()})
    describe(raw, "semseg: {classes: [a, b, c], folder: ~nobody-of-this-name/labels}")
    refused(raw, r"lacks ~nobody-of-this-name/labels")
    describe(raw, "splits: {train: ~nobody-of-this-name.txt, val: 1}\nsemseg: {classes: [a, b, c]}")
    refused(raw, "neither a text file next to it nor a subfolder")


def test_text_is_utf_8_everywhere() -> None:
    """In any locale: no text is read or written without an explicit encoding."""
    from taskscape.data import readers

    loose = re.compile(r"read_text\(\)|write_text\((?!.*encoding)|\.open\(\)|\.open\(\"[rwa]t?\"\)")
    for path in Path(readers.__file__).parent.rglob("*.py"):
        assert not loose.search(path.read_text(encoding="utf-8")), path


def test_masks_of_0_and_255_are_doubted(raw: Path) -> None:
    masks = ((ids() == 1) * 255).astype(np.uint8)
    folder(raw, "semseg: {classes: [rest, crack]}", {"semseg.png": masks})
    with pytest.warns(UserWarning, match=r"if it is crack, set `classes: \{0: rest, 255: crack\}`"):
        Folder().contents(raw)
    describe(raw, "semseg: {classes: [rest, crack], void: [255]}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Folder().contents(raw)


def test_labels_of_several_pages_are_refused(raw: Path) -> None:
    folder(raw, ABC)
    for number in range(2):
        page = Image.fromarray(ids())
        write(raw / "semseg" / f"{number}.tif", page, save_all=True, append_images=[page])
    refused(raw, r"0\.tif holds 2 images: save one label per file")


def test_predictions_say_which_files_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.png", np.zeros((H, W, 3), np.uint8))
    (tmp_path / "b.exr").touch()
    with pytest.warns(UserWarning, match=r"b\.exr is left out: only"):
        assert list(name_images([tmp_path], tmp_path / "out")) == ["a"]
