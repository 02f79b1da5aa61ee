"""A wrong kernel is detected, fixed, reported and cached; without one, nothing changes."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from taskscape import runs
from taskscape.machine import MachineCache
from taskscape.models import Network, NetworkConfig, Outputs
from taskscape.report.page import write_report
from taskscape.run_folder import RunFolder
from taskscape.selfcheck import Shape, verify
from taskscape.selfcheck import cache as verdicts
from taskscape.selfcheck.apply import Remedy, remedy_layer, remedy_of
from taskscape.selfcheck.check import Verdict
from taskscape.selfcheck.findings import Finding, in_one_line, load
from taskscape.training import checkpoint
from taskscape.training.precision import autocast
from tiny import tiny

CPU = torch.device("cpu")
SHAPE = Shape(4, (12, 16))


def bf16() -> torch.autocast:
    return autocast(CPU, "bf16")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "precision"


# -- a wrong kernel ----------------------------------------------------------------------------------------------------


class WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return 1.1 * gradient


def inject(monkeypatch: pytest.MonkeyPatch, also_contiguous: bool = False) -> None:
    """Make the weight gradient of dilated convolutions wrong in bf16: with channels last only, or always."""
    right = F.conv2d

    def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, g: int) -> Any:
        layout = also_contiguous or not weight.is_contiguous()
        if torch.is_autocast_enabled("cpu") and layout and max(dilation) > 1:
            weight = WrongGradient.apply(weight)  # type: ignore[no-untyped-call]
        return right(x, weight, bias, stride, padding, dilation, g)

    monkeypatch.setattr(F, "conv2d", conv2d)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, dilation=2), nn.Dropout(0.5)
    return nn.Sequential(*layers, nn.Conv2d(16, 2, 1)).to(memory_format=torch.channels_last)


def trained(module: nn.Module) -> dict[str, Tensor]:
    optimizer = torch.optim.SGD(module.parameters(), 0.1, momentum=0.9)
    for step in range(3):
        torch.manual_seed(step)
        with bf16():
            output = module(torch.rand(4, 3, 12, 16).contiguous(memory_format=torch.channels_last))
        optimizer.zero_grad()
        output.float().square().mean().backward()
        optimizer.step()
    return module.state_dict()


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(("also_contiguous", "remedy"), [(False, "contiguous"), (True, "float32")])
def test_a_wrong_kernel_is_found_and_avoided(
    monkeypatch: pytest.MonkeyPatch, also_contiguous: bool, remedy: Remedy
) -> None:
    expected = network()
    remedy_layer(expected[3], remedy)
    weights = trained(expected)

    inject(monkeypatch, also_contiguous)
    assert not same(trained(network()), weights)  # the kernel is indeed wrong
    module = network()
    (finding,) = verify(module, [SHAPE], bf16)
    assert finding.layers == ("3",) and finding.remedy == remedy
    assert (
        finding.operator.startswith("Conv2d(16, 16") and finding.wrong == "gradient of the weight (relative error 0.1)"
    )
    assert [remedy_of(layer) for layer in module] == [None, None, None, remedy, None, None]
    assert same(trained(module), weights)


def test_other_layouts_of_what_comes_in_and_goes_out_stay() -> None:
    x = torch.rand(2, 16, 12, 16).contiguous(memory_format=torch.channels_last)
    for remedy in ("contiguous", "float32"):
        for layer in (nn.Conv2d(16, 8, 3), nn.Conv2d(16, 16, 3, groups=16), nn.BatchNorm2d(16)):
            layer = layer.to(memory_format=torch.channels_last)
            with bf16():
                before = layer(x)
            names = list(layer.state_dict())
            remedy_layer(layer, remedy)
            with bf16():
                after = layer(x)
            assert (after.dtype, after.stride()) == (before.dtype, before.stride())
            assert torch.allclose(after, before, rtol=0.02, atol=0.02)
            assert torch.equal(layer(x), type(layer).__bases__[0].forward(layer, x))  # float32 is unchanged
            assert list(layer.state_dict()) == names
            assert all(parameter.is_contiguous() for parameter in layer.parameters())


def test_the_second_remedy_replaces_the_first_but_not_the_other_way_round() -> None:
    layer = nn.Conv2d(3, 3, 3)
    for remedy, now in (("contiguous", "contiguous"), ("float32", "float32"), ("contiguous", "float32")):
        remedy_layer(layer, remedy)  # type: ignore[arg-type]
        assert remedy_of(layer) == now
        assert type(layer).__bases__ == (nn.Conv2d,)


def interpolate(x: Tensor) -> Tensor:
    """A wrong library function, with torch's protocol for recording functions."""
    if has_torch_function_unary(x):  # type: ignore[no-untyped-call]
        return handle_torch_function(interpolate, (x,), x)  # type: ignore[no-any-return,no-untyped-call]
    return x * (1.1 if torch.is_autocast_enabled("cpu") else 1.0)


class Upsampling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return interpolate(x)


def test_a_wrong_function_is_found_and_what_calls_it_runs_in_float32() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), Upsampling())
    (finding,) = verify(module, [SHAPE], bf16)
    assert finding.layers == ("1",) and finding.remedy == "float32"
    assert finding.wrong.startswith("output (relative error 0.1), gradient of the input 1 (relative error 0.1")
    x = torch.rand(2, 3, 12, 16)
    with bf16():
        assert torch.equal(module(x), module[0](x))


def test_compiled_networks_are_remedied_too(monkeypatch: pytest.MonkeyPatch) -> None:
    inject(monkeypatch)
    plain, compiled = network(), network()
    compiled.compile(backend="aot_eager")
    for module in (plain, compiled):
        verify(module, [SHAPE], bf16)
    assert same(trained(compiled), trained(plain))


def test_layers_are_checked_in_the_mode_of_their_batch() -> None:
    """In training mode, a single value per channel has no variance; validation may have a single image."""
    layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4)).train()
    assert verify(layers, [Shape(2, (8, 8)), Shape(1, (8, 8), training=False)], bf16) == ()


def test_remedied_layers_are_not_compiled() -> None:
    """torch's compiler removes the copy to another memory layout; backends without it would not reveal that."""
    functions: list[str] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        functions.extend(str(node.target) for node in graph.graph.nodes if "conv2d" in str(node.target))
        return graph.forward

    for remedies in ((), ("contiguous",), ("float32",)):
        module = network()
        for remedy in remedies:
            remedy_layer(module[3], remedy)  # type: ignore[arg-type]
        functions.clear()
        torch._dynamo.reset()
        module.compile(backend=backend)
        trained(module)
        assert len(functions) < 3 if remedies else len(functions) == 3


def test_what_is_wrong_in_every_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    inject(monkeypatch, also_contiguous=True)
    monkeypatch.setattr("taskscape.selfcheck.check.REMEDIES", ("contiguous",))
    with pytest.raises(ValueError, match=r"computes Conv2d\(16, 16.* \(3\) wrongly .*use --precision fp32"):
        verify(network(), [SHAPE], bf16)


# -- nothing else changes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_a_healthy_network_stays_as_it_is(training: bool) -> None:
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    kinds = [type(layer) for layer in module]
    torch.manual_seed(5)
    states = torch.get_rng_state(), str(np.random.get_state())
    assert verify(module, [SHAPE._replace(training=training)], bf16) == ()
    assert torch.equal(torch.get_rng_state(), states[0]) and str(np.random.get_state()) == states[1]
    assert same(module.state_dict(), before) and [type(layer) for layer in module] == kinds and module.training
    assert same(trained(module), trained(network()))


class WrongInLargeBatches(nn.LayerNorm):
    """Wrong for long sums, like sums in bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        is_wrong = torch.is_autocast_enabled("cpu") and len(x) > 2
        return super().forward(x) * (1.1 if is_wrong else 1.0)


def test_the_batch_is_that_of_the_run() -> None:
    module = nn.Sequential(nn.Conv2d(3, 16, 3), WrongInLargeBatches([16, 10, 14]))
    assert verify(module, [Shape(2, (12, 16))], bf16) == ()
    (finding,) = verify(module, [Shape(4, (12, 16))], bf16)
    assert finding.layers == ("1",) and finding.remedy == "float32"


def test_batch_norm_over_few_values_is_no_fault() -> None:
    """Over the two values of a pooled batch, the gradient is zero up to rounding."""
    torch.manual_seed(0)
    pooled = nn.Sequential(nn.Conv2d(3, 96, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(96), nn.ReLU())
    assert verify(pooled, [Shape(8, (12, 16))], bf16) == ()


def test_verdicts_are_kept_and_damaged_files_are_not_used(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    inject(monkeypatch)
    counts: list[tuple[int, int]] = []

    def verified() -> Any:
        counts.clear()
        return verify(network(), [SHAPE], bf16, report=lambda done, total: counts.append((done, total)))

    first = verified()
    assert counts == [(i, 4) for i in range(1, 5)]  # three convolutions and a normalization
    assert verified() == first and not counts
    (path,) = cache.glob("*.json")
    for damaged in (b"", b"{", b"[]", path.read_bytes().replace(b'"contiguous"', b'"magic"')):
        path.write_bytes(damaged)
        assert verified() == first and len(counts) == 4
    monkeypatch.setattr("taskscape.machine.processor", lambda: "another processor")
    assert verified() == first and len(counts) == 4
    assert len(list(cache.glob("*.json"))) == 2


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TASKSCAPE_CACHE", str(tmp_path / "file"))
    verdicts.add(CPU, {"a": Verdict("", None)})
    assert verdicts.load(CPU) == {}


def test_several_processes_can_add_to_a_cache_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = MachineCache.load

    def load_slowly(cache: MachineCache) -> dict[str, Any]:
        entries = load(cache)
        time.sleep(0.01)
        return entries

    monkeypatch.setattr(MachineCache, "load", load_slowly)
    with ThreadPoolExecutor(4) as pool:  # each has a lock of its own, as processes do
        list(pool.map(lambda number: MachineCache("test", {}, tmp_path).add({str(number): number}), range(20)))
    assert len(MachineCache("test", {}, tmp_path).load()) == 20


# -- runs --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DilatedConfig(NetworkConfig):
    """Settings of ``Dilated``."""

    name: ClassVar[str] = "dilated"
    paper: ClassVar[str] = "none"


class Dilated(Network, config=DilatedConfig):
    """A dilated convolution, and one per task."""

    def __init__(self, out_channels: Mapping[str, int], config: DilatedConfig | None = None) -> None:
        super().__init__(out_channels)
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.context = nn.Conv2d(16, 16, 3, padding=2, dilation=2)
        self.heads = nn.ModuleDict({task: nn.Conv2d(16, n, 1) for task, n in out_channels.items()})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        return self.stem, self.context

    def forward(self, image: Tensor) -> Outputs:
        features = self.context(self.stem(image).relu())
        return Outputs({task: head(features) for task, head in self.heads.items()}, {}, (features,))


Trained = Callable[..., dict[str, Tensor]]


@pytest.fixture
def train(store: Path, tmp_path: Path) -> Trained:
    def run(name: str, resume: bool = False, **changes: Any) -> dict[str, Tensor]:
        experiment = replace(tiny(store), **{"network": DilatedConfig(), "precision": "bf16", "epochs": 2, **changes})
        runs.train(experiment, tmp_path / name, resume=resume)
        return checkpoint.load(RunFolder(tmp_path / name).checkpoint)["network"]  # type: ignore[no-any-return]

    return run


def test_the_summary_of_a_self_check_counts_the_layers_of_each_remedy() -> None:
    layers: dict[Remedy | None, tuple[str, ...]] = {"contiguous": ("a", "b"), "float32": ("c",), None: ("d", "e")}
    all_findings = [Finding("Conv2d(1, 1)", names, "output (5 %)", remedy) for remedy, names in layers.items()]
    assert in_one_line(all_findings).endswith(
        "2 layers run in contiguous memory, 1 layer runs in float32, 2 layers have no remedy"
    )


def test_a_run_says_and_records_what_was_wrong(
    train: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        inject(patch)
        weights = train("wrong")
        said = " ".join(capsys.readouterr().err.split())
        assert "reduced precision is wrong on this machine (gradient of the weight) in context: 1 layer runs in" in said
        assert train("again") is not None and same(train("wrong", resume=True), weights)

    folder = RunFolder(tmp_path / "wrong")
    (finding,) = load(folder.precision)
    assert finding.layers == ("context",) and finding.remedy == "contiguous"
    model = runs.load(folder.path, "cpu")
    assert remedy_of(model.network.get_submodule("context")) == "contiguous"
    assert "gradient of the weight (relative error 0.1)" in write_report(folder.path).read_text()

    # A resumed run computes as before, even where nothing is wrong.
    monkeypatch.setattr("taskscape.machine.processor", lambda: "another processor")
    longer = train("wrong", resume=True, epochs=3)
    assert load(folder.precision) == (finding,)
    with monkeypatch.context() as patch:
        inject(patch)
        monkeypatch.setattr("taskscape.machine.processor", lambda: "a third one")
        assert same(train("whole", epochs=3), longer)


def test_a_healthy_run_is_the_same_with_and_without_the_check(
    train: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = train("checked")
    monkeypatch.setattr("taskscape.selfcheck.verify", lambda *_, **__: ())
    assert same(train("unchecked"), checked)
    assert not RunFolder(tmp_path / "checked").precision.exists()
    result = runs.evaluate(tmp_path / "checked", device="cpu", quiet=True)
    assert result.environment["precision"] == "bf16" and "self-check" not in result.environment


def test_runs_in_float32_are_not_checked(train: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskscape.selfcheck.verify", lambda *_, **__: pytest.fail("checked"))
    train("plain", precision="fp32")
