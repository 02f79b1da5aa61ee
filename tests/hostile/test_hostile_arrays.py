"""Arrays, and NYUv2 files, that are damaged or misstate their content."""

import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from limited import needs_fork, refused, survived, variants

from taskscape.data.readers import nyuv2
from taskscape.data.readers.opening import open_array
from taskscape.data.readers.samples import read_exact

pytestmark = needs_fork


class Harm:
    """An object that runs code when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.canary,)


def npy(header: str, content: bytes = b"\0" * 96, version: tuple[int, int] = (1, 0)) -> bytes:
    text = header.encode() + b"\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + content


def claims(shape: str, kind: str = "<f4", order: str = "False") -> str:
    return f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}}}"


ARRAYS = {
    "huge": npy(claims("(1000000, 1000000)")),
    "large": npy(claims("(20000, 20000)")),
    "overflow": npy(claims("(4611686018427387904, 4)")),
    "beyond": npy(claims("(1" + "0" * 400 + ",)")),
    "negative": npy(claims("(-1, 4)")),
    "negatives": npy(claims("(-2, -12)")),
    "no-shape": npy(claims("'abc'")),
    "truncated": npy(claims("(4, 6)"), b"\0" * 95),
    "objects": npy(claims("(4, 6)", "|O")),
    "version": npy(claims("(4, 6)"), version=(9, 0)),
    "long-header": npy(claims("(4, 6)") + " " * 1_000_000, version=(2, 0)),
    "deep-header": npy("[" * 9000),
    "deep-numbers": npy(claims("(" * 300 + "4" + ",)" * 300)),
    "code": npy("__import__('os').system('touch canary')"),
    "wide-item": npy(claims("(4, 6)", "|V99999999")),
    "odd-type": npy(claims("(4, 6)", ",,,")),
    "empty": b"",
    "magic": b"\x93NUMPY",
    "archive": b"PK\x03\x04" + b"\0" * 40,
    "empty-archive": b"PK\x05\x06" + b"\0" * 18,
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.npy"
    path.write_bytes(ARRAYS[name])
    refused(open_array, path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickles_do_not_run(protocol: int, tmp_path: Path) -> None:
    harm, path = Harm(tmp_path / "canary"), tmp_path / "harm.npy"
    path.write_bytes(pickle.dumps(harm, protocol))
    refused(open_array, path)
    np.save(path, np.array([harm], object), allow_pickle=True)
    refused(open_array, path)
    assert not harm.canary.exists()


def test_damaged_arrays_and_the_order_of_fortran(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(values))
    np.testing.assert_array_equal(open_array(tmp_path / "fortran.npy"), values)
    content = io.BytesIO()
    np.save(content, values)
    assert survived(read_exact, variants(content.getvalue(), tmp_path, ".npy")) > 40


def test_damaged_matlab_files(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    savemat = pytest.importorskip("scipy.io").savemat
    with h5py.File(tmp_path / "whole.mat", "w") as file:
        file.create_dataset("images", (2, 3, 640, 480), np.uint8, compression="gzip", fillvalue=7)
        for name in ("depths", "labels"):
            file.create_dataset(name, data=np.ones((2, 640, 480), np.uint16), compression="gzip")

    def arrays(path: Path) -> None:
        nyuv2._check_arrays(path, ("images", "depths", "labels"), 2)
        for name in ("images", "depths", "labels"):
            nyuv2._array(path, name, nyuv2._sample(1, {}))

    content = (tmp_path / "whole.mat").read_bytes()
    assert survived(arrays, variants(content, tmp_path, ".mat", cuts=20, flips=120)) > 10

    savemat(tmp_path / "splits.mat", {"trainNdxs": np.array([[1]]), "testNdxs": np.array([[2]])})
    content = (tmp_path / "splits.mat").read_bytes()
    assert survived(nyuv2._splits, variants(content, tmp_path, "-splits.mat", cuts=20)) > 10


def test_matlab_files_that_claim_much(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "claims.mat", "w") as file:
        file.create_dataset("images", (10**6, 3, 10**5, 10**5), np.uint8, chunks=(1, 1, 64, 64))
        for name in ("depths", "labels"):
            file.create_dataset(name, (10**6, 10**5, 10**5), np.uint16, chunks=(1, 64, 64))
    refused(lambda path: nyuv2._check_arrays(path, ("images", "depths", "labels"), 2), tmp_path / "claims.mat")
    with h5py.File(tmp_path / "groups.mat", "w") as file:
        for name in ("images", "depths", "labels"):
            file.create_group(name)
    refused(lambda path: nyuv2._check_arrays(path, ("images", "depths", "labels"), 2), tmp_path / "groups.mat")
    with h5py.File(tmp_path / "elsewhere.mat", "w") as file:
        for name in ("images", "depths", "labels"):
            file[name] = h5py.ExternalLink(str(tmp_path / "claims.mat"), f"/{name}")
    refused(lambda path: nyuv2._check_arrays(path, ("images", "depths", "labels"), 2), tmp_path / "elsewhere.mat")
