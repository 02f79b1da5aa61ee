"""Mistakes in a user's own files are reported with file and line, and never produce a wrong number."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from taskscape.batch import Sample, Target
from taskscape.cli import main
from taskscape.data import StoreWriter
from taskscape.data.prepare import prepare
from taskscape.data.readers import Folder
from taskscape.evaluation import Evaluator
from taskscape.inference import load
from taskscape.inference.predict import predict
from taskscape.losses import L1, CrossEntropy, Laplace, Loss
from taskscape.models import DeeplabJointConfig
from taskscape.models.base import Outputs, check_outputs
from taskscape.objectives import Supervised
from taskscape.runs import Experiment, TrainedModel
from taskscape.serialization import load_name
from taskscape.tasks import Depth
from taskscape.weighting.base import BalancingContext, require_gradients

CODE = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np, torch
from taskscape.data import RawData, RawIndex
from taskscape.data.readers.folder.section import Section
from taskscape.losses import Loss, PixelLoss
from taskscape.metrics import DepthMetrics
from taskscape.modalities import Depth as Meters
from taskscape.models import Network, NetworkConfig
from taskscape.tasks import Depth
from taskscape.training.optimization import Schedule
from taskscape.weighting import WeightedSum, WeightingConfig

ANSWER = None  # what methods give

@dataclass(frozen=True)
class Pixels(PixelLoss):
    name: ClassVar[str] = "pixels"
    def per_pixel(self, prediction, value):
        return (prediction - value).abs()

@dataclass(frozen=True)
class Whole(Loss):
    name: ClassVar[str] = "whole"
    def term(self, prediction, target):
        return (prediction - target.value).abs().mean()

class Errors(DepthMetrics):
    def compute(self):
        return ANSWER

@dataclass(frozen=True)
class Measured(Depth):
    name: ClassVar[str] = "measured"
    def metrics(self):
        return Errors()

@dataclass(frozen=True)
class SumConfig(WeightingConfig):
    name: ClassVar[str] = "sum"

class Sum(WeightedSum, config=SumConfig):
    def weights(self, losses):
        return ANSWER

@dataclass(frozen=True)
class NetConfig(NetworkConfig):
    name: ClassVar[str] = "net"
    paper: ClassVar[str] = "none"

class Net(Network, config=NetConfig):
    def shared_modules(self):
        return ()
    def forward(self, image):
        return ANSWER

@dataclass(frozen=True)
class Half(Schedule):
    name: ClassVar[str] = "half"
    def shape(self, epoch, epochs):
        return ANSWER

@dataclass(frozen=True)
class Nameless(PixelLoss):
    def per_pixel(self, prediction, value):
        return (prediction - value).abs().mean(1)

@dataclass(frozen=True)
class NoConfig(NetworkConfig):
    name: ClassVar[str] = "no"
    paper: ClassVar[str] = "none"

@dataclass(frozen=True)
class Near(Section):
    name: ClassVar[str] = "near"
    def modality(self):
        return Meters()
    def read(self, stored, exact):
        return stored

@dataclass(frozen=True)
class Raw(RawData):
    name: ClassVar[str] = "raw"
    def contents(self, raw):
        return ANSWER

def experiment(epochs):
    return epochs

def broken():
    raise ValueError("not enough values to unpack")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module of the file ``my.py`` in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(CODE)
    return sys.modules[load_name(Path("my.py"), "Pixels").__module__]


def line(code: str) -> str:
    return str(CODE.splitlines().index(code) + 1)


EVERYWHERE = torch.ones(2, 4, 6, dtype=torch.bool)


def test_a_number_for_every_channel_is_no_loss_of_a_pixel(own: Any) -> None:
    where = line("    def per_pixel(self, prediction, value):")
    for channels in (1, 2, 3):  # 2, the batch size, would be broadcast silently
        x = torch.zeros(2, channels, 4, 6)
        with pytest.raises(
            ValueError, match=rf"Pixels\.per_pixel \(my\.py, line {where}\) gives \(2, {channels}, 4, 6\)"
        ):
            own.Pixels()(x, x)


def test_a_loss_that_gives_no_term(own: Any) -> None:
    target = Target(torch.ones(2, 1, 4, 6), EVERYWHERE)
    task = Depth(loss=own.Whole())
    with pytest.raises(
        ValueError,
        match=rf"Whole\.term \(my\.py, line {line('    def term(self, prediction, target):')}\) gives a Tensor",
    ):
        Supervised()({"depth": task}, {"depth": torch.zeros(2, 1, 4, 6)}, {}, {"depth": target})


def test_a_loss_that_is_detached() -> None:
    learned = torch.ones((), requires_grad=True)
    require_gradients({"depth": learned})
    with pytest.raises(ValueError, match="the loss of semseg has no gradient"):
        require_gradients({"depth": learned, "semseg": torch.ones(())})


@pytest.mark.parametrize("loss", [L1(), Laplace()])
def test_a_target_without_the_axis_of_channels(loss: Loss) -> None:
    prediction = torch.zeros(2, 1 + loss.scale_channels, 4, 6)
    with pytest.raises(ValueError, match=r"the target is \(2, 4, 6\).*unsqueeze\(1\)"):
        loss(prediction, Target(torch.zeros(2, 4, 6), EVERYWHERE))
    with pytest.raises(ValueError, match="valid is"):
        loss(prediction, Target(torch.zeros(2, 1, 4, 6), EVERYWHERE[:1]))
    with pytest.raises(ValueError, match=r"the target has ids \[9\]"):
        CrossEntropy()(torch.zeros(2, 3, 4, 6), Target(torch.full((2, 4, 6), 9), EVERYWHERE))


@pytest.mark.parametrize("answer", [None, [1.0], {"abs_rel": "good"}, {"abs_rel": torch.ones(3)}])
def test_a_metric_that_gives_no_numbers(own: Any, answer: object) -> None:
    own.ANSWER = answer
    with pytest.raises(ValueError, match=r"Errors\.compute \(my\.py, line \d+\) must return numbers by name"):
        Evaluator({"depth": own.Measured()}, torch.device("cpu")).compute()


def test_a_metric_without_end_is_found_at_the_first_validation(own: Any) -> None:
    own.ANSWER = {"abs_rel": float("inf")}
    with pytest.raises(ValueError, match=r"Errors\.compute \(my\.py, line \d+\) gives inf for abs_rel"):
        Evaluator({"depth": own.Measured()}, torch.device("cpu")).compute()


def test_metrics_as_tensors_and_those_of_nothing(own: Any) -> None:
    own.ANSWER = {"abs_rel": torch.tensor(0.5), "rmse": np.float32(2), "delta1": float("nan")}
    assert Evaluator({"d": own.Measured()}, torch.device("cpu")).compute().metrics == {"d/abs_rel": 0.5, "d/rmse": 2.0}


@pytest.mark.parametrize("answer", [[1.0, 1.0], torch.ones(2, 1), torch.ones(3), torch.ones(())])
def test_weights_that_are_not_one_a_task(own: Any, answer: object) -> None:
    own.ANSWER = answer
    losses = {"a": torch.ones((), requires_grad=True), "b": torch.ones((), requires_grad=True)}
    with pytest.raises(ValueError, match=r"Sum\.weights \(my\.py, line \d+\) gives .*: return a tensor of 2 weights"):
        own.SumConfig().build(("a", "b")).backward(losses, BalancingContext.of(losses, shared=(), tasks=()))


@pytest.mark.parametrize("answer", [None, "0.5", -1.0, float("nan"), float("inf")])
def test_a_schedule_that_gives_no_factor(own: Any, answer: object) -> None:
    own.ANSWER = answer
    with pytest.raises(ValueError, match=r"Half\.shape \(my\.py, line \d+\) gives .* at epoch 0\.5: return a number"):
        own.Half().factor(0.5, 2)
    own.ANSWER = np.float32(0.5)
    assert own.Half().factor(0.5, 2) == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": DeeplabJointConfig}, "network is the class DeeplabJointConfig: it must be a NetworkConfig"),
        ({"data": "store"}, "data is 'store', a string: it must be a DataSource"),
        ({"batch_size": "4"}, "batch_size is '4', a string: it must be a whole number"),
        ({"tasks": {"depth": Depth}}, "tasks.depth is the class Depth: it must be a Task"),
    ],
)
def test_settings_of_another_kind(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Experiment(**settings)


def test_settings_without_a_name_are_found_before_training(own: Any) -> None:
    with pytest.raises(
        ValueError, match=r"tasks\.depth\.loss is a Nameless, without a `name: ClassVar\[str\]`: add one"
    ):
        Experiment(tasks={"depth": Depth(loss=own.Nameless())}).check()


MAPS = {"depth": torch.zeros(2, 1, 4, 6)}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (MAPS, "gives a dict: return"),
        ((MAPS, {}, ()), "gives a tuple: return"),
        (Outputs({}, {}, ()), "gives nothing for the task depth"),
        (
            Outputs({"depth": torch.zeros(2, 1, 2, 3)}, {}, ()),
            r"gives \(2, 1, 2, 3\) for the task depth instead of \(2, 1, 4, 6\)",
        ),
        (Outputs({"depth": torch.zeros(2, 3, 4, 6)}, {}, ()), r"gives \(2, 3, 4, 6\) for the task depth"),
    ],
)
def test_networks_that_give_something_else(own: Any, answer: object, message: str) -> None:
    network = own.NetConfig().build({"depth": 1})
    where = line("    def forward(self, image):")
    with pytest.raises(ValueError, match=rf"Net\.forward \(my\.py, line {where}\) {message}"):
        check_outputs(network, answer, torch.zeros(2, 3, 4, 6))
    check_outputs(network, Outputs(MAPS, {}, ()), torch.zeros(2, 3, 4, 6))
    with pytest.raises(
        ValueError, match=r"NoConfig belongs to no network: write `class Mine\(Network, config=NoConfig\)`"
    ):
        own.NoConfig().build({"depth": 1})


def test_readers_and_sections_that_give_something_else(own: Any, tmp_path: Path) -> None:
    own.ANSWER = {"train": []}
    with pytest.raises(ValueError, match=r"Raw\.contents \(my\.py, line \d+\) gives a dict: return a RawIndex"):
        prepare(own.Raw(), tmp_path, tmp_path / "store")
    for number in range(2):
        for kind in ("images", "near"):
            (tmp_path / "raw" / kind).mkdir(parents=True, exist_ok=True)
            Image.new("L", (6, 4), 9).save(tmp_path / "raw" / kind / f"{number}.png")
    (tmp_path / "raw" / "taskscape.yaml").write_text("near: {type: 'my.py:Near'}")
    with pytest.raises(
        ValueError, match=r"near/0\.png is passed to Near\.read \(my\.py, line \d+\), which returns a ndarray"
    ):
        prepare(Folder(), tmp_path / "raw", tmp_path / "store", processes=1)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("my.py:experiment", "my.py:experiment: missing a required argument: 'epochs'; a recipe has no required"),
        ("my.py:broken", "not enough values to unpack (my.py, line {line}, in broken)"),
        ("end.py:experiment", "end.py, line 2, could not be imported: SystemExit: 0"),
        ("deep.py:experiment", "deep.py, line 3, could not be imported: ZeroDivisionError"),
        ("torn.py:experiment", "torn.py could not be imported: SyntaxError: '(' was never closed (torn.py, line 1)"),
    ],
)
def test_recipes_with_mistakes(own: Any, recipe: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("end.py").write_text("import sys\nsys.exit(0)\n")
    Path("deep.py").write_text("def f():\n\n    return 1 / 0\nf()\n")
    Path("torn.py").write_text("print((1)\n")
    with pytest.raises(SystemExit) as ended:
        main(["train", recipe, "--run", "run"])
    assert ended.value.code == 2
    where = line('    raise ValueError("not enough values to unpack")')
    assert message.format(line=where) in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a/b", "a.b", "loss", "weight", "consistency", "", ".a", "a\n", "type", "keys"])
def test_names_of_tasks_that_others_have(name: str) -> None:
    with pytest.raises(ValueError, match=r"tasks: .* cannot be the name of a task"):
        Experiment(tasks={name: Depth()})


def test_a_model_keeps_the_tasks_that_another_leaves_out() -> None:
    network = DeeplabJointConfig().from_scratch().build({"semseg": 2, "depth": 1}).eval()
    model = TrainedModel(Experiment(), network, torch.device("cpu"))
    image = torch.rand(1, 3, 32, 64)
    depth = model.restricted(["depth"])
    assert list(depth.forward(image).final) == ["depth"]
    assert list(model.forward(image).final) == ["semseg", "depth"]
    shared = {id(parameter) for parameter in network.parameters()}
    assert {id(parameter) for parameter in depth.network.parameters()} < shared


def test_a_text_where_several_are_possible(tmp_path: Path) -> None:
    """In Python a string is also a sequence, of its letters."""
    model = TrainedModel(
        Experiment(), DeeplabJointConfig().from_scratch().build({"semseg": 2, "depth": 1}), torch.device("cpu")
    )
    assert list(model.restricted("depth").tasks) == ["depth"]
    with pytest.raises(ValueError, match="no task is given: choose among semseg, depth"):
        model.restricted([])
    with pytest.raises(ValueError, match=r"there is no image or folder nothing\.jpg"):
        predict(load("taskscape/streets-small", device="cpu"), "nothing.jpg", tmp_path / "out")
    writer = StoreWriter(tmp_path / "store", (2, 2), {"train": 1}, {}, {"kind": "mine"})
    with pytest.raises(ValueError, match="there is no split 'trian'; did you mean train"):
        writer.put("trian", 0, Sample({"image": np.zeros((2, 2, 3), np.uint8)}, {}, "a"))


@pytest.mark.parametrize("module", ["__main__", "notebook"])
def test_a_class_of_a_notebook_is_refused_before_data_are_made(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run refers to the file of a class, and a notebook has none."""
    notebook = ModuleType(module)
    monkeypatch.setitem(sys.modules, module, notebook)
    exec(CODE, notebook.__dict__)
    experiment = Experiment(tasks={"depth": Depth(loss=vars(notebook)["Pixels"]())})
    with pytest.raises(ValueError, match=r"Pixels is defined in a notebook .*: write it to a file, such as my\.py"):
        experiment.check()


def test_a_class_within_a_function_is_refused(own: Any) -> None:
    """Reading the experiment could not import it."""
    inner = type("Inner", (own.Pixels,), {"__module__": own.__name__, "__qualname__": "make.<locals>.Inner"})
    with pytest.raises(ValueError, match=r"make\.<locals>\.Inner is defined within a function .*my\.py"):
        Experiment(tasks={"depth": Depth(loss=inner())}).check()
