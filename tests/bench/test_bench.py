"""``taskscape bench``: its measurements add up, and no files are left behind."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.autograd.profiler_util import FunctionEventAvg

from taskscape.bench import Memory, bench
from taskscape.bench.profile import OTHER, by_kind, kind_of
from taskscape.bench.roof import roof
from taskscape.cli import main
from taskscape.commands.bench import plain, print_tables
from taskscape.runs.fastest import candidates
from taskscape.training.step import PARTS
from taskscape.training.ways import Way
from tiny import tiny


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
def test_a_trial_adds_up(store: Path, precision: str, capsys: pytest.CaptureFixture[str]) -> None:
    experiment = replace(tiny(store), precision=precision, channels_last=True)
    measured = bench(experiment, with_memory=False, seconds=0.1)
    assert set(measured.times) == set(candidates(compiled=False))
    assert measured.way in measured.times
    assert (measured.images, measured.memory) == (4, None)
    if precision == "auto":
        assert measured.seconds == min(measured.times.values())
    else:
        assert measured.way == Way(precision, channels_last=True)  # type: ignore[arg-type]
    assert measured.experiment.number_format == measured.way.precision
    for shares in measured.profile:
        assert sum(shares.values()) == pytest.approx(1)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert set(PARTS) <= set(measured.profile.parts)
    assert measured.profile.kinds["convolutions"] > 0.05
    assert measured.roof > 0 and measured.loading > 0 and measured.against_plain > 0
    json.dumps(plain(measured))
    experiment = replace(measured.experiment, tasks={"near[a]": measured.experiment.tasks["depth"]})
    print_tables(replace(measured, experiment=experiment))
    assert "tiny, near[a]: batches of 4 images" in capsys.readouterr().out


def test_the_load_is_that_of_other_programs(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phases: list[str] = []
    monkeypatch.setattr("os.getloadavg", lambda: (float(len(phases)), 0.0, 0.0), raising=False)
    measured = bench(replace(tiny(store), precision="fp32"), with_memory=False, seconds=0.1, say=phases.append)
    assert phases and measured.environment["load"] == "0.0"


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::mkldnn_convolution", "convolutions"),
        ("aten::convolution_backward", "convolutions"),
        ("aten::native_batch_norm_backward", "normalization"),
        ("aten::addmm", "matrix products and attention"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", "matrix products and attention"),
        ("aten::copy_", "copies and conversions"),
        ("aten::threshold_backward", "activations"),
        ("aten::upsample_bilinear2d", "resizing and pooling"),
        ("aten::cat", "concatenation"),
        ("aten::add_", "sums and products"),
        ("aten::_foreach_addcdiv_", "sums and products"),
        ("aten::linalg_vector_norm", "sums and products"),
        ("aten::_foreach_norm", "sums and products"),
        ("aten::native_group_norm", "normalization"),
        ("aten::nonzero", OTHER),
    ],
)
def test_operators_have_a_kind(operator: str, kind: str) -> None:
    assert kind_of(operator) == kind


def test_the_time_on_a_gpu_counts_once() -> None:
    operator, kernel = FunctionEventAvg(), FunctionEventAvg()
    operator.key, operator.device_type, operator.self_device_time_total = "aten::cudnn_convolution", DeviceType.CPU, 30
    kernel.key, kernel.device_type, kernel.self_device_time_total = "sm90_xmma_fprop", DeviceType.CUDA, 30
    assert by_kind([operator, kernel], on_gpu=True) == {"convolutions": 30}


def test_the_roof_has_every_layer_as_often_as_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscape.bench.roof._seconds", lambda operator, dtype, device, clock: 1.0 + dtype.itemsize)
    same = [nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)]
    same.append(same[0])  # called twice, like layers that the features of all tasks pass
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *same, nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(512, 2))
    assert roof(network, torch.rand(2, 3, 8, 8)) == pytest.approx(6 * (1 + 2)), "the faster of the two formats"


def test_the_largest_batch_is_on_a_straight_line() -> None:
    assert Memory(peak=5.0, per_image=0.5, free=10.0, images=4).largest_batch == 14
    assert Memory(peak=5.0, per_image=0.5, free=1.0, images=4).largest_batch == 0
    assert Memory(peak=5.0, per_image=0.0, free=1.0, images=4).largest_batch is None


def test_memory_grows_with_images(store: Path) -> None:
    experiment = replace(tiny(store), network=replace(tiny(store).network, width=256))  # type: ignore[type-var]
    found = bench(experiment, seconds=0.1).memory
    assert found is not None and 2**26 < found.peak < 2**34
    assert found.per_image >= 0 and found.images == experiment.batch_size


def test_the_command_prints_and_keeps_nothing(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--data.path", str(store), "--network.encoder", "resnet10t", "--network.width", "16", "--batch-size", "2"]
    main(["bench", "joint", *small, "--no-memory", "--device", "cpu"])
    printed = capsys.readouterr().out
    assert "images/s" in printed and "convolutions" in printed and "of the step" in printed
    assert not list(tmp_path.iterdir())
    main(["bench", "joint", *small, "--no-memory", "--json"])
    assert json.loads(capsys.readouterr().out)["network"] == "deeplab-joint"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "3"], "what to measure comes first"),
        (["jiont"], "did you mean joint"),
        (["joint", "--out", "run"], "keeps nothing"),
        (["joint", "--compield"], "compiled|compile"),
    ],
)
def test_mistakes_are_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", *words])
    import re

    assert re.search(said, capsys.readouterr().err)
