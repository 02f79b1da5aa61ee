"""Settings that are too large for the machine or the data are rejected by name, before anything is built."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from taskscape import machine
from taskscape.data import Augmentation, Store, StoreWriter, Streets
from taskscape.data.readers.miniscapes import write_miniscapes
from taskscape.modalities import Depth
from taskscape.models import DeeplabJointConfig
from taskscape.runs import Experiment
from taskscape.runs.sizes import check_memory
from tiny import TinyConfig, tiny


@pytest.mark.parametrize(
    "network",
    [
        DeeplabJointConfig(encoder="resnet10t", pretrained=False, width=100_000),
        DeeplabJointConfig(encoder="resnet10t", pretrained=False, width=2**31 - 1),
        TinyConfig(width=10**14),
    ],
)
def test_a_network_that_no_machine_holds_is_refused_by_its_setting(
    store: Path, network: DeeplabJointConfig | TinyConfig
) -> None:
    with pytest.raises(ValueError, match=rf"is too large, make network\.width \({network.width}\) smaller"):
        replace(tiny(store), network=network).check()


@pytest.mark.parametrize("settings", [{"epochs": 10**30}, {"batch_size": 10**22}, {"validate_every": 2**31}])
def test_counts_have_an_end(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(settings))} is .*at most 2147483647"):
        Experiment(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("streets", "error"),
    [
        (Streets(train=2, val=1, size=(10_000_000, 10_000_000)), "8 to 8192 pixels"),
        (Streets(train=2, val=1, size=(4, 64)), "8 to 8192 pixels"),
        (Streets(train=2, val=1, samples=3), "3 samples per pixel"),
        (Streets(train=2**31 - 1, val=1, size=(8192, 8192)), "the store takes .* TB in .*make room"),
    ],
)
def test_impossible_streets_leave_no_store(streets: Streets, error: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, OSError), match=error):
        replace(streets, folder=tmp_path / "cache").open()
    assert not any(path.is_dir() for path in tmp_path.glob("cache/*"))


def test_what_no_disk_holds_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"TB in .*, and .* are free: make room"):
        StoreWriter(tmp_path / "store", (64, 128), {"train": 10**12}, {"depth": Depth()}, {})
    with pytest.raises(OSError, match=r"1000000000000 streets.* TB"):
        write_miniscapes(tmp_path / "raw", "train", 10**12, (32, 64))
    assert not any(tmp_path.iterdir())


def test_a_batch_or_crop_beyond_the_images_is_told(store: Path) -> None:
    train, told = Store.open(store, "train"), list[str]()
    height, width = train.size
    crop = Augmentation(crop=(height, 2 * width), scale_range=(1.0, 1.0))
    replace(tiny(store), batch_size=1000, augmentation=crop).for_data(train, told.append)
    assert any(f"there are {len(train)} training images" in text for text in told)
    assert any("50% or more of each training image is black" in text for text in told)
    told.clear()
    zoomed = replace(crop, scale_choices=(1.0, 2.0))
    replace(tiny(store), augmentation=zoomed).for_data(train, told.append)
    assert not any("black" in text for text in told)
    with pytest.raises(ValueError, match=r"augmentation\.crop .* make the crop smaller"):
        replace(tiny(store), augmentation=Augmentation(crop=(1000, 1000))).for_data(train)


def test_the_memory_of_the_machine_limits_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < machine.free_memory(torch.device("cpu")) < machine.psutil.virtual_memory().total
    small = SimpleNamespace(total=20480, available=4096)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: small)
    assert machine.free_memory(torch.device("cpu")) == 4096
    with pytest.raises(ValueError, match="this machine has 0 GB"):
        check_memory(nn.Linear(8192, 1), DeeplabJointConfig())
