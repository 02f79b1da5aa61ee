"""User extensions without changes to the package: one of each kind, from the user's own files."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from taskscape import runs
from taskscape.cli import main
from taskscape.data import Packed
from taskscape.data.manifest import Manifest
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment, read_experiment
from taskscape.serialization import dump, keep_code, load_name, parse, unstructure, user_code

EXAMPLE = Path(__file__).parents[1] / "examples" / "own_task.py"

OUTSIDE = '''
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from taskscape.data import Packed
from taskscape.losses import PixelLoss
from taskscape.models import Network, NetworkConfig, Outputs
from taskscape.runs import Experiment
from taskscape.tasks import Depth, SemanticSegmentation
from taskscape.training.optimization import AdamConfig, Schedule
from taskscape.weighting import Losses, WeightedSum, WeightingConfig


@dataclass(frozen=True)
class LineConfig(NetworkConfig):
    """One convolution for all tasks."""

    name: ClassVar[str] = "line"
    paper: ClassVar[str] = "none"

    width: int = 6
    """Channels."""


class Line(Network, config=LineConfig):
    """Convolution → head per task."""

    def __init__(self, out_channels: Mapping[str, int], config: LineConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        config = LineConfig.of(config, options)
        self.body = nn.Conv2d(3, config.width, 3, padding=1)
        self.heads = nn.ModuleDict({task: nn.Conv2d(config.width, n, 1) for task, n in out_channels.items()})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        return (self.body,)

    def forward(self, image: Tensor) -> Outputs:
        features = self.body(image).relu()
        return Outputs({task: head(features) for task, head in self.heads.items()}, {}, (features,))


@dataclass(frozen=True)
class Cubic(PixelLoss):
    """|prediction - value|³."""

    name: ClassVar[str] = "cubic"

    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        return (prediction - value).abs().pow(3).mean(1)


@dataclass(frozen=True)
class InverseConfig(WeightingConfig):
    """Weights of one over the loss."""

    name: ClassVar[str] = "inverse"

    floor: float = 0.1
    """Least loss."""


class Inverse(WeightedSum, config=InverseConfig):
    def __init__(self, tasks, config=None, *, seed=0, **options):
        super().__init__(tasks)
        self.floor = InverseConfig.of(config, options).floor

    def weights(self, losses: Losses) -> Tensor:
        return 1 / torch.stack(list(losses.values())).clamp(min=self.floor)


@dataclass(frozen=True)
class Stairs(Schedule):
    """Half the rate after every epoch."""

    name: ClassVar[str] = "stairs"

    def shape(self, epoch: float, epochs: int) -> float:
        return 0.5 ** int(epoch)


def experiment() -> Experiment:
    return Experiment(
        network=LineConfig(width=5),
        tasks={"semseg": SemanticSegmentation(), "depth": Depth(loss=Cubic())},
        weighting=InverseConfig(),
        schedule=Stairs(),
        optimizer=AdamConfig(lr=1e-2),
        data=Packed(Path("store")),
        epochs=2,
        batch_size=4,
        device="cpu",
    )
'''


@pytest.fixture
def here(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").symlink_to(store)
    (tmp_path / "outside.py").write_text(OUTSIDE)
    shutil.copy(EXAMPLE, tmp_path / "own_task.py")
    return tmp_path


def test_a_network_a_loss_a_weighting_and_a_schedule(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "outside.py:experiment", "--network.width", "4", "--weighting.floor", "0.2", "--run", "run"])
    saved = yaml.safe_load((here / "run" / "experiment.yaml").read_text())
    assert saved["network"] == {"type": "outside.py:LineConfig", "width": 4}
    assert saved["weighting"] == {"type": "outside.py:InverseConfig", "floor": 0.2}
    assert saved["tasks"]["depth"]["loss"] == {"type": "outside.py:Cubic"}
    assert saved["schedule"]["type"] == "outside.py:Stairs"
    experiment = read_experiment("run")
    assert parse((here / "run" / "experiment.yaml").read_text(), "x", Experiment) == experiment
    main(["train", "--resume", "run"])
    main(["evaluate", "run", "--tta"])
    main(["train", "run/experiment.yaml", "--seed", "1", "--epochs", "1", "--run", "again"])
    main(["compare", "run", "again", "--out", "page.html"])
    assert "mIoU" in capsys.readouterr().out


def test_a_task_with_modality_view_loss_metric_and_reader(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The example ``own_task.py`` end to end: prepare, check, train, evaluate, report, predict."""
    from taskscape.serialization import load_name

    load_name(Path("own_task.py"), "make")(here / "raw", count=12, size=(16, 24))
    main(["prepare", "own_task.py:Terrain", "raw", "stores/terrain", "--size", "16", "24", "--processes", "2"])
    manifest = json.loads((here / "stores" / "terrain" / "manifest.json").read_text())
    assert manifest["fields"]["elevation"] == {"type": "own_task.py:Elevation"}

    main(["data", "check", "stores/terrain"])
    main(["data", "show", "stores/terrain"])
    main(["data", "baseline", "stores/terrain", "--recipe", "own_task.py:experiment"])
    assert "Mean error" in capsys.readouterr().out

    arguments = ["--network.encoder", "resnet10t", "--batch-size", "4", "--device", "cpu"]
    main(["train", "own_task.py:experiment", *arguments, "--epochs", "2", "--run", "run"])
    assert "Within 10 m" in capsys.readouterr().out
    result = Result.load(RunFolder(here / "run").result())
    assert type(result.tasks["elevation"]).__name__ == "Elevation"
    assert result.specs["elevation/mae"].leads
    page = (here / "run" / "report" / "index.html").read_text()
    assert "Black is 0 m, white is 400 m." in page  # the user's view explains its colors
    assert "m error" in page

    main(["train", "own_task.py:plain", *arguments, "--epochs", "1", "--run", "other"])
    main(["evaluate", "run", "--split", "train"])
    main(["compare", "run", "other", "--out", "page.html"])
    main(["predict", "run", "raw/image", "--out", "predicted", "--view", "elevation.highest=300"])
    files = {path.name for path in (here / "predicted").iterdir()}
    assert {"000.elevation.png", "000.elevation-view.png", "000.side-by-side.png", "metadata.json"} <= files
    assert np.asarray(Image.open(here / "predicted" / "000.elevation.png")).dtype == np.uint16


@pytest.mark.parametrize("command", [["train"], ["sweep", "--seed", "0", "1"]])
def test_a_task_without_a_view_is_refused_before_training(
    command: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report that ends a run failed, and named the sample images as damaged."""
    (here / "no_view.py").write_text(EXAMPLE.read_text().replace("offer_view(Elevation, ElevationView)", ""))
    with pytest.raises(SystemExit):
        main([command[0], "no_view.py:experiment", *command[1:], "--out", "run"])
    assert "tasks.elevation: Elevation has no view" in capsys.readouterr().err
    assert not (here / "run" / "experiment.yaml").exists()


def test_the_worst_epoch_is_not_kept_for_a_users_metric(here: Path) -> None:
    """The selection uses the direction in the metric's spec: for within_10m, higher is better."""
    from taskscape.serialization import load_name

    load_name(Path("own_task.py"), "make")(here / "raw", count=12, size=(16, 24))
    main(["prepare", "own_task.py:Terrain", "raw", "stores/terrain", "--size", "16", "24"])
    arguments = ["--network.encoder", "resnet10t", "--epochs", "3", "--batch-size", "4", "--device", "cpu"]
    for monitor, best in (("elevation/within_10m", max), ("elevation/mae", min)):
        run = RunFolder(here / monitor.replace("/", "-"))
        main(["train", "own_task.py:experiment", *arguments, "--monitor", monitor, "--run", str(run.path)])
        values = [float(row[f"val/{monitor}"]) for row in run.metric_rows()]
        assert Result.load(run.result()).metrics[monitor] == pytest.approx(best(values), rel=1e-4)
    with pytest.raises(SystemExit):
        main(["train", "own_task.py:experiment", *arguments, "--monitor", "elevation/nothing", "--run", "no"])


def test_a_run_keeps_the_code_that_it_needs(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = load_name(Path("outside.py"), "experiment")()
    runs.train(replace(experiment, data=Packed(here / "store"), epochs=1), "run", quiet=True)
    assert (here / "run" / "code" / "outside.py").read_text() == OUTSIDE
    other = here / "other"
    other.mkdir()
    (here / "run").rename(other / "moved")
    monkeypatch.chdir(other)
    capsys.readouterr()
    runs.evaluate("moved", quiet=True)
    said = capsys.readouterr().err
    assert "there is no outside.py here" in said and "code/outside.py (SHA-256 " in said
    (other / "outside.py").write_text(OUTSIDE + "# another one\n")
    user_code._ORIGINALS.clear()
    read_experiment("moved")
    assert "outside.py has changed since" in capsys.readouterr().err


def test_code_beside_a_users_file_is_kept_too(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs with modules of the same name beside the file: each keeps its own, and uses it after being moved."""
    for name, width in (("one", 3), ("two", 4)):
        folder = here / name
        (folder / "parts").mkdir(parents=True)
        (folder / "sizes.py").write_text(f"from parts.numbers import WIDTH\nassert WIDTH == {width}\n")
        (folder / "parts" / "numbers.py").write_text(f"WIDTH = {width}\n")
        (folder / "nets.py").write_text(OUTSIDE.replace("import torch\n", "import torch\nfrom sizes import WIDTH\n", 1))
        experiment = load_name(folder / "nets.py", "experiment")()
        keep_code(experiment, here / f"run-{name}")
        (here / f"run-{name}" / "experiment.yaml").write_text(dump(experiment))
        kept = here / f"run-{name}" / "code" / name
        assert {path.relative_to(kept).as_posix() for path in kept.rglob("*.py")} == {
            "nets.py",
            "sizes.py",
            "parts/numbers.py",
        }
    other = here / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    for name, width in (("one", 3), ("two", 4)):
        (here / f"run-{name}").rename(other / name)
        network = read_experiment(name).network
        assert vars(sys.modules[type(network).__module__])["WIDTH"] == width
        assert f"there is no {name}/nets.py here" in capsys.readouterr().err
        assert unstructure(network)["type"] == f"{name}/nets.py:LineConfig"


def test_a_module_beside_that_has_changed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "sizes.py").write_text("WIDTH = 5\n")
    (here / "nets.py").write_text(OUTSIDE.replace("import torch\n", "import torch\nfrom sizes import WIDTH\n", 1))
    experiment = load_name(Path("nets.py"), "experiment")()
    keep_code(experiment, here / "run")
    (here / "run" / "experiment.yaml").write_text(dump(experiment))
    assert read_experiment("run") == experiment
    assert capsys.readouterr().err == ""
    (here / "sizes.py").write_text("WIDTH = 6\n")
    network = read_experiment("run").network
    assert vars(sys.modules[type(network).__module__])["WIDTH"] == 5
    assert "sizes.py has changed since" in capsys.readouterr().err


def test_a_store_keeps_the_code_of_its_modalities_and_does_not_run_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_name(Path("own_task.py"), "make")(here / "raw", count=4, size=(16, 24))
    main(["prepare", "own_task.py:Terrain", "raw", "terrain", "--size", "16", "24"])
    other = here / "other"
    other.mkdir()
    (here / "terrain").rename(other / "terrain")
    monkeypatch.chdir(other)
    with pytest.raises(ValueError, match="terrain/code has a copy of it: copy that here, after reading"):
        Manifest.of(Path("terrain"))
    shutil.copy("terrain/code/own_task.py", ".")
    assert "elevation" in Manifest.of(Path("terrain")).fields


def test_the_loss_of_the_example_does_not_read_invalid_pixels(here: Path) -> None:
    """It learned slopes towards predictions of neighbors without a label."""
    loss = load_name(Path("own_task.py"), "Relief")()
    torch.manual_seed(0)
    prediction, value, valid = torch.randn(2, 1, 4, 6), torch.randn(2, 1, 4, 6), torch.rand(2, 4, 6) < 0.7
    changed = prediction.masked_fill(~valid[:, None], 50.0).requires_grad_()
    changed_loss = loss(changed, value, valid)
    changed_loss.backward()
    assert changed_loss == loss(prediction, value, valid) and changed.grad is not None
    assert not changed.grad[~valid[:, None]].any()


def test_a_loss_of_ones_own_is_called_like_the_packages(here: Path) -> None:
    cubic = load_name(Path("outside.py"), "Cubic")()
    prediction = torch.tensor([[[[1.0, 2.0]]]], requires_grad=True)
    loss = cubic(prediction, torch.zeros(1, 1, 1, 2), valid=torch.tensor([[[True, False]]]))
    loss.backward()
    assert loss.shape == () and loss.item() == 1
    assert prediction.grad is not None and prediction.grad.tolist() == [[[[3.0, 0.0]]]]
