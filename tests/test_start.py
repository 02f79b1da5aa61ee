"""``--from RUN``: tensors that fit are loaded, others are reported, and the run can be repeated."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from taskscape import runs
from taskscape.cli import main
from taskscape.modalities.class_sets import ClassSet
from taskscape.models import ResnetMtan
from taskscape.run_folder import RunFolder
from taskscape.runs import Experiment
from taskscape.runs.start import Start, reorder
from taskscape.state_dicts import match, read, save_safetensors
from taskscape.tasks import Albedo, Depth, SemanticSegmentation, SurfaceNormals
from tiny import TinyConfig, tiny


@pytest.fixture
def first(store: Path, tmp_path: Path) -> Path:
    runs.train(replace(tiny(store), epochs=1), tmp_path / "first", quiet=True)
    return tmp_path / "first"


def start(experiment: Experiment, store: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], list[str]]:
    """Return the network before and after the start, and the messages."""
    begin = Start.of(experiment)
    assert begin is not None
    torch.manual_seed(9)
    network = experiment.network.build({name: task.channels for name, task in experiment.tasks.items()})
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    said = list(begin.fill(network, experiment))
    return before, network.state_dict(), said


def test_everything_fits_the_same_network(store: Path, first: Path) -> None:
    experiment = runs.read_experiment(first)
    _, after, said = start(replace(experiment, start_from=first), store)
    saved = read(first)
    assert after.keys() == saved.keys() and all(torch.equal(after[name], saved[name]) for name in saved)
    assert said == [f"started from {first}: 8 of 8 tensors of the network fit"]


def test_other_tasks_and_classes(store: Path, first: Path) -> None:
    """One task is new, one is missing, one has a different shape: everything else is loaded."""
    old = runs.read_experiment(first)
    tasks = {"semseg": Depth(), "depth": old.tasks["depth"], "height": SurfaceNormals()}
    experiment = replace(old, tasks=tasks, start_from=first)
    before, after, said = start(experiment, store)
    saved = read(first)
    for name in ("stem.weight", "stem.bias", "heads.depth.weight", "heads.depth.bias"):
        assert torch.equal(after[name], saved[name])
    for name in ("heads.semseg.weight", "heads.height.bias"):
        assert torch.equal(after[name], before[name])
    classes = saved["heads.semseg.bias"].shape[0]
    another = "of a different shape, so these start from scratch: heads.semseg"
    assert said == [
        f"started from {first}: 4 of 8 tensors of the network fit",
        "missing from it, so these start from scratch: heads.height",
        f"{another}.weight is (1, 8, 3, 3) and was ({classes}, 8, 3, 3), "
        f"heads.semseg.bias is (1,) and was ({classes},)",
        "not used: heads.normals",
        "the task semseg had other classes or another unit there, so its last layer must be retrained",
    ]


def test_a_head_of_the_same_shape_and_another_meaning_is_said(store: Path, first: Path) -> None:
    old = runs.read_experiment(first)
    experiment = replace(old, tasks={**old.tasks, "normals": Albedo()}, start_from=first)
    *_, last = start(experiment, store)[2]
    assert last == "the task normals had other classes or another unit there, so its last layer must be retrained"


@pytest.mark.parametrize("kind", ["path", "weights"])
def test_classes_in_another_order_take_their_own_channels(store: Path, first: Path, kind: str) -> None:
    """The network starts with the same score for each class; other tensors with as many channels are left alone."""
    old = runs.read_experiment(first)
    old_task = old.tasks["semseg"]
    assert isinstance(old_task, SemanticSegmentation) and old_task.classes is not None
    names = old_task.classes.classes
    order = [*range(1, len(names)), 0]
    turned = ClassSet("mine", tuple(names[i] for i in order), old_task.classes.palette)
    experiment = replace(old, tasks={**old.tasks, "semseg": replace(old_task, classes=turned)})
    _, after, said = start(replace(experiment, start_from=getattr(RunFolder(first), kind)), store)
    saved = read(first)
    assert (
        said[-1]
        == "the task semseg had the same classes in a different order there, so heads.semseg is reordered by name"
    )
    for part in ("weight", "bias"):
        assert torch.equal(after[f"heads.semseg.{part}"], saved[f"heads.semseg.{part}"][order])
        assert torch.equal(after[f"heads.depth.{part}"], saved[f"heads.depth.{part}"])

    RunFolder(first).result().unlink()  # as in a run that was stopped
    _, stopped, said = start(replace(experiment, start_from=first), store)
    assert "is reordered by name" in said[-1] and all(torch.equal(stopped[name], after[name]) for name in after)

    guess = {"first.semseg.weight": torch.eye(len(names)), "last.semseg.weight": torch.eye(len(names))}
    assert not reorder(guess, "semseg", order) and torch.equal(guess["last.semseg.weight"], torch.eye(len(names)))
    same = replace(old_task, classes=replace(old_task.classes, name="mine"))
    said = start(replace(old, tasks={**old.tasks, "semseg": same}, start_from=first), store)[2]
    assert said == [f"started from {first}: 8 of 8 tensors of the network fit"]


def test_another_representation_of_the_same_depth_is_said(store: Path, first: Path) -> None:
    old = runs.read_experiment(first)
    depth = old.tasks["depth"]
    assert isinstance(depth, Depth)
    tasks = {**old.tasks, "depth": replace(depth, representation="inverse")}
    *_, last = start(replace(old, tasks=tasks, start_from=first), store)[2]
    assert last.startswith("the task depth had other settings there, representation log")


@pytest.mark.parametrize("kind", [torch.int8, torch.float32])
def test_weights_that_are_no_numbers_are_refused(store: Path, first: Path, kind: torch.dtype, tmp_path: Path) -> None:
    """Quantized weights fit nothing, and weights with a NaN are named."""
    weights = read(first)
    weights["stem.weight"].view(-1)[3] = float("nan")
    torch.save(
        {name: tensor.nan_to_num(3).to(kind) if kind == torch.int8 else tensor for name, tensor in weights.items()},
        tmp_path / "bad.pth",
    )
    with pytest.raises(
        ValueError, match=r"start_from: .*(no tensor of|stem\.weight holds numbers that are not finite)"
    ):
        Start.of(replace(tiny(store), start_from=tmp_path / "bad.pth"))


@pytest.mark.parametrize("kind", ["weights", "checkpoint"])
def test_files_are_understood(store: Path, first: Path, kind: str) -> None:
    path = getattr(RunFolder(first), kind)
    said = start(replace(runs.read_experiment(first), start_from=path), store)[2]
    assert said[0] == f"started from {path}: 8 of 8 tensors of the network fit"


def test_a_run_from_another_learns_on_and_can_be_repeated(store: Path, first: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), epochs=2, start_from=first)
    runs.train(experiment, tmp_path / "second", quiet=True)
    runs.train(replace(experiment, start_from=None), tmp_path / "scratch", quiet=True)
    loss = [float(RunFolder(tmp_path / run).metric_rows()[0]["train/loss/depth"]) for run in ("second", "scratch")]
    assert loss[0] < loss[1]
    saved = runs.read_experiment(tmp_path / "second")
    assert saved.start_from == first and saved.start_checksum is not None and len(saved.start_checksum) == 64
    runs.train(saved, tmp_path / "again", quiet=True)
    weights = [RunFolder(tmp_path / run).weights.read_bytes() for run in ("second", "again")]
    assert weights[0] == weights[1]

    save_safetensors(RunFolder(first).weights, {"stem.weight": torch.zeros(8, 3, 3, 3)})
    with pytest.raises(ValueError, match=r"start_from: .*is not the file that this experiment started from"):
        runs.train(saved, tmp_path / "other", quiet=True)
    runs.train(replace(saved, epochs=3), tmp_path / "second", resume=True, quiet=True)  # reads no weights


def test_a_resumed_run_keeps_what_it_started_from(store: Path, first: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), epochs=1, keep_checkpoint=True, start_from=first)
    runs.train(experiment, tmp_path / "second", quiet=True)
    before = runs.read_experiment(tmp_path / "second")
    runs.train(replace(experiment, epochs=2), tmp_path / "second", resume=True, quiet=True)
    after = runs.read_experiment(tmp_path / "second")
    assert after.epochs == 2 and after.start_checksum is not None
    assert (after.start_from, after.start_checksum) == (before.start_from, before.start_checksum)


def test_what_does_not_fit_at_all_is_refused_before_any_data_are_made(store: Path, first: Path, tmp_path: Path) -> None:
    experiment = replace(tiny(store), network=TinyConfig(width=5), start_from=first)
    tasks = {"height": Depth(source="depth")}
    with pytest.raises(ValueError, match=r"start_from: no tensor of .*first fits this network by name and shape"):
        runs.train(replace(experiment, tasks=tasks), tmp_path / "run", quiet=True)
    with pytest.raises(ValueError, match=r"start_from: .*nowhere is not there: name a weights file"):
        runs.train(replace(experiment, start_from=tmp_path / "nowhere"), tmp_path / "run", quiet=True)
    weights = RunFolder(first).weights
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=r"start_from: .*best\.safetensors is damaged, its checksum differs"):
        runs.train(replace(tiny(store), start_from=first), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("line", ["train joint", "sweep joint --seeds 0 1"])
def test_errors_about_the_weights_name_the_flag(
    line: str, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.pth").write_bytes(b"cut off")
    words = ["network:segnet-split", "--data.path", str(store), "--from", str(tmp_path / "cut.pth"), "--device", "cpu"]
    with pytest.raises(SystemExit):
        main([*line.split(), *words, "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert said.startswith(f"error: --from: {tmp_path / 'cut.pth'}") and "start_from" not in said
    assert not list((tmp_path / "out").glob("*/*"))


def test_the_flag_from(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class ReachedError(Exception):
        pass

    def stop(experiment: Experiment, *_: object, **__: object) -> None:
        raise ReachedError(experiment)

    monkeypatch.setattr(runs, "train", stop)
    with pytest.raises(ReachedError) as reached:
        main(["train", "joint", "--from", str(first), "--epochs", "2", "--out", str(tmp_path / "run")])
    experiment = reached.value.args[0]
    assert (experiment.start_from, experiment.start_checksum, experiment.epochs) == (first, None, 2)


def test_tasks_whose_names_differ_by_a_number_only() -> None:
    """A dot and an underscore separate the parts of a name alike, but not in ``0.depth_0.1`` and ``0.depth.0.1``."""
    tensors = ResnetMtan({"depth": 1, "depth_0": 1}, encoder="resnet18").state_dict()
    assert set(match(tensors, tensors).tensors) == set(tensors)
    network = ResnetMtan({"depth": 1}, encoder="resnet18").state_dict()
    matched = match(network, tensors)  # only the names in the file would become equal
    assert not matched.unfilled and all(matched.tensors[name] is tensors[name] for name in network)
