import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import tyro
from filelock import FileLock
from samples import FIELDS, NAMES

from taskscape.data import SOURCES, DataSource, Packed, Store, Streets
from taskscape.modalities import Albedo, Boundaries
from taskscape.modalities.class_sets import CITYSCAPES_19

CPU = torch.device("cpu")
Make = Callable[..., Store]


def options(folder: Path, **settings: object) -> Streets:
    return Streets(**{"train": 4, "val": 2, "size": (6, 10), "folder": folder, **settings})


def test_streets_are_rendered_once(tmp_path: Path, streets: ModuleType) -> None:
    seen: list[tuple[int, int]] = []
    stores = options(tmp_path).open(lambda done, total: seen.append((done, total)))
    assert seen == [(i + 1, 6) for i in range(6)]
    assert {split: len(store) for split, store in stores.items()} == {"train": 4, "val": 2}
    train = stores["train"]
    assert (train.size, train.fields) == ((6, 10), {**FIELDS, "boundaries": Boundaries(), "albedo": Albedo()})
    assert train.names == ["000000", "000001", "000002", "000003"]
    assert train.manifest.source == {"kind": "streets", "grammar": 1, "seed": 0, "samples": 4}
    assert all(target.valid.any() for target in train.gather([0], NAMES, CPU).targets.values())

    options(tmp_path).open(lambda *_: pytest.fail("rendered again"))
    assert len(streets.rendered) == 6
    options(tmp_path, seed=1, test=1, shifted=1).open()
    streets.STYLES["classic"] = 2
    options(tmp_path).open()
    assert len(streets.rendered) == 6 + 8 + 6
    photographs = options(tmp_path, style="photographs").open()["train"]
    assert len(streets.rendered) == 6 + 8 + 6 + 6
    assert photographs.manifest.source == train.manifest.source | {"style": "photographs"}


def test_interrupted_streets_resume(tmp_path: Path, streets: ModuleType) -> None:
    streets.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        options(tmp_path).open()
    streets.stop_after = None
    seen: list[int] = []
    resumed = options(tmp_path).open(lambda done, _: seen.append(done))
    assert seen == [4, 5, 6] and len(set(streets.rendered)) == len(streets.rendered) == 6
    straight = options(tmp_path / "other").open()
    assert resumed["train"].manifest == straight["train"].manifest


def test_two_that_start_together(tmp_path: Path, streets: ModuleType) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: options(tmp_path).open()["train"], range(2))
    assert len(streets.rendered) == 6
    assert torch.equal(first.gather([3], (), CPU).image, second.gather([3], (), CPU).image)


def test_streets_can_be_rendered_after_an_error_that_is_remembered(
    tmp_path: Path, streets: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook, which keeps the last error with its variables: its lock must not block the next attempt."""
    with monkeypatch.context() as patch:
        patch.setattr(Streets, "_render", lambda *_: {}["full"])
        with pytest.raises(KeyError) as remembered:
            options(tmp_path).open()
    (lock,) = tmp_path.glob("*.lock")
    FileLock(lock).acquire(timeout=0).lock.release()
    assert len(options(tmp_path).open()["train"]) == 4 and remembered.value


def test_the_cache_may_be_elsewhere(tmp_path: Path, streets: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "here"))
    assert options(tmp_path)
    assert Streets(train=1, val=0, size=(6, 10)).open()["train"].path.parent == tmp_path / "here"
    monkeypatch.delenv("TASKSCAPE_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    path = Streets(train=1, val=0, size=(6, 10)).open()["train"].path
    assert path.parent == tmp_path / ".cache" / "taskscape"


@pytest.mark.parametrize("settings", [{"train": -1}, {"train": 0, "val": 0}, {"samples": 0}, {"size": (0, 4)}])
def test_bad_settings(settings: dict) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(settings))}.*(must be at least|not all may be zero)"):
        Streets(**settings)


def test_a_packed_store(make_store: Make) -> None:
    path = make_store().path
    stores = Packed(path, verify=True).open()
    assert list(stores) == ["train"] and len(stores["train"]) == 7
    with pytest.raises(FileNotFoundError, match="not there"):
        Packed(path / "nowhere").open()
    with pytest.raises(ValueError, match="not a store"):
        Packed(path / "train").open()


def test_the_command_line() -> None:
    assert tyro.cli(Streets, args=["--train", "5", "--size", "32", "64"]) == Streets(train=5, size=(32, 64))
    assert tyro.cli(Packed, args=["--path", "somewhere"]) == Packed(Path("somewhere"))


@pytest.mark.parametrize("source", SOURCES)
def test_every_source(source: type[DataSource]) -> None:
    assert source.name
    assert source.__doc__


def test_real_streets(tmp_path: Path) -> None:
    stores = Streets(train=2, val=1, size=(16, 32), samples=1, folder=tmp_path).open()
    batch = stores["train"].gather([0, 1], NAMES, CPU)
    assert 0.05 < batch.image.mean() < 0.95
    semseg, depth, normals = (batch.targets[name] for name in NAMES)
    sky = CITYSCAPES_19.classes.index("sky")
    assert torch.equal(depth.valid, semseg.value != sky)
    assert torch.equal(depth.valid, normals.valid)
    assert depth.value[depth.valid.unsqueeze(1)].min() > 0
    length = normals.value.norm(dim=1)[normals.valid]
    assert np.allclose(length, 1, atol=1e-5)
    again = pickle.loads(pickle.dumps(stores["train"]))
    assert again.manifest == stores["train"].manifest and torch.equal(again.gather([0, 1], (), CPU).image, batch.image)
