"""Numeric settings out of range are rejected by name before any work begins."""

import copy
import math
import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from taskscape import recipes
from taskscape.data import Augmentation, DataSource, Streets
from taskscape.data.sources import Part
from taskscape.losses import Loss, SmoothL1
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.models import DeeplabJointConfig, NetworkConfig
from taskscape.objectives import Objective
from taskscape.runs import Experiment
from taskscape.serialization import dump, offered, parse
from taskscape.serialization.ranges import Positive, Range, RangedSettings
from taskscape.tasks import Depth, SemanticSegmentation, Task
from taskscape.training.optimization import AdamConfig, OptimizerConfig, Schedule
from taskscape.weighting import FixedConfig, PCGradConfig

BASES: tuple[type, ...] = (NetworkConfig, Task, Loss, Objective, DataSource, OptimizerConfig, Schedule)
CLASSES = [cls for base in BASES for cls in offered(base).values()] + [Augmentation, Experiment]
ENTROPIES = ("cross-entropy", "cross-entropy-jaccard", "kl-divergence")
ALLOWED_ZERO = {
    *((name, "ignore_index") for name in ENTROPIES),
    *(("streets", name) for name in ("train", "val", "test", "shifted", "seed")),
    *(("Augmentation", name) for name in ("rotation", "perspective", "brightness", "contrast", "saturation", "hue")),
    *((name, "warmup") for name in ("constant", "poly", "step", "cosine", "one-cycle")),
    *(("one-cycle", name) for name in ("pct_start", "start", "end")),
    *((name, "weight_decay") for name in ("sgd", "adam", "adamw")),
    *((name, "betas") for name in ("adam", "adamw")),
    *((name, "blocks") for name in ("adaptive-depth", "transformer", "cross-attention")),
    *((name, "dropout") for name in ("resnet-mtan", "adaptive-depth", "transformer", "cross-attention")),
    *((name, "label_smoothing") for name in ENTROPIES),
    *((name, "logit_adjustment") for name in ENTROPIES if name != "kl-divergence"),
    *((name, "beta") for name in ("laplace", "angular")),
    *(("Experiment", name) for name in ("seed", "checkpoint_minutes", "train_metrics", "average_last", "ema")),
    ("Experiment", "feature_cache"),
    *(
        ("sgd", "momentum"),
        ("poly", "power"),
        ("si-log", "gamma"),
        ("consistency", "weight"),
        ("consistency", "weights"),
    ),
    *(("depth", "mean"), ("boundaries", "tolerance")),
    *((cls.name, name) for cls in offered(NetworkConfig).values() for name in ("freeze", "lora")),
}
"""Settings for which 0 has a documented meaning."""
ALLOWED_NEGATIVE = {*((name, "ignore_index") for name in ENTROPIES), ("depth", "mean")}


@dataclass(frozen=True)
class Written(RangedSettings):
    """Settings of a file with ``from __future__ import annotations``."""

    rate: "Positive" = 1.0
    width: "int" = None  # type: ignore[assignment]


def name_of(cls: type) -> str:
    return str(getattr(cls, "name", cls.__name__))


def numbers_of(cls: type) -> list[Field[Any]]:
    """Return the fields of a class that hold numbers: alone, optional, in tuples or by name."""
    return [field for field in fields(cls) if not isinstance(field.type, str) and _holds_number(field.type)]


def _holds_number(kind: Any) -> bool:
    if kind in (int, float):
        return True
    inner = (kind.__origin__,) if hasattr(kind, "__metadata__") else getattr(kind, "__args__", ())
    return any(_holds_number(part) for part in inner if not isinstance(part, str))


every_class = pytest.mark.parametrize("cls", [cls for cls in CLASSES if numbers_of(cls)], ids=name_of)


def with_number(cls: type, field: Field[Any], number: float) -> Any:
    """Create the settings with this number in the field, wherever the field contains one."""
    default = field.default if field.default_factory is MISSING else field.default_factory()
    value: Any = number
    if isinstance(default, tuple) or "tuple" in str(field.type):
        value = (number,) * (len(default) if isinstance(default, tuple) else 2)
    elif isinstance(default, Mapping):
        value = {"depth": number}
    needed = {"path": Path("store")} if cls is Part else {}
    return cls(**needed, **{field.name: value})


def refusal(cls: type, field: Field[Any], number: float) -> str:
    """Return the message with which a number is refused; "" if it is not."""
    try:
        with_number(cls, field, number)
    except ValueError as error:
        return str(error)
    return ""


@every_class
def test_what_is_no_number_is_refused_by_name(cls: type) -> None:
    for field, number in product(numbers_of(cls), (math.nan, math.inf, -math.inf)):
        message = rf"\b{field.name}\b.*(nan|inf).*must|weight of consistency is .*must"
        assert re.search(message, refusal(cls, field, number)), f"{field.name} {number}"


@every_class
def test_negative_numbers_are_refused_by_name(cls: type) -> None:
    for field in numbers_of(cls):
        if (name_of(cls), field.name) in ALLOWED_NEGATIVE:
            assert with_number(cls, field, -1)
        else:
            message = rf"\b{field.name}\b.*-1.*(must|needs|give)|weight of consistency is .*must"
            assert re.search(message, refusal(cls, field, -1)), field.name


@every_class
def test_zero_is_refused_by_name_unless_it_means_something(cls: type) -> None:
    for field in numbers_of(cls):
        if (name_of(cls), field.name) in ALLOWED_ZERO:
            use(with_number(cls, field, 0))
        else:
            assert re.search(rf"\b{field.name}\b.*0.*(must|needs|give)", refusal(cls, field, 0)), field.name


def use(settings: Any) -> None:
    """Build what the settings describe, and assert that their schedule gives factors."""
    if isinstance(settings, NetworkConfig):
        tasks = {"semseg": SemanticSegmentation(CITYSCAPES_2), "depth": Depth("meters", mean=0.0, std=1.0)}
        with torch.device("meta"):
            settings.for_tasks(tasks).from_scratch().build({name: task.channels for name, task in tasks.items()})
    elif isinstance(settings, OptimizerConfig):
        settings.build([{"params": [torch.nn.Parameter(torch.zeros(1))]}])
    elif isinstance(settings, Schedule):
        assert all(0 <= settings.factor(step / 7, 3) <= 1 for step in range(21))


def test_fields_within_others_are_found() -> None:
    names = [field.name for field in numbers_of(Streets)]
    assert names == ["train", "val", "test", "shifted", "size", "samples", "seed"]


def test_all_numbers_of_a_list_are_checked() -> None:
    with pytest.raises(ValueError, match=r"rates is \(3, 6, 0\): it must be at least 1"):
        DeeplabJointConfig(rates=(3, 6, 0))
    with pytest.raises(ValueError, match=r"scale_choices is \(1\.0, nan\)"):
        Augmentation(scale_choices=(1.0, math.nan))

    @dataclass(frozen=True)
    class Rates(RangedSettings):
        rates: Sequence[Positive] = ()

    for rates in ([0.1, -0.1], (0.1, -0.1)):
        with pytest.raises(ValueError, match=r"rates is .*: it must be above 0 and finite"):
            Rates(rates)


def test_a_whole_number_is_wanted_where_one_is_declared() -> None:
    with pytest.raises(ValueError, match=r"epochs is 1\.5: it must be a whole number"):
        replace(Experiment(), epochs=1.5)  # type: ignore[arg-type]
    assert 10**400 in Range(least=0)


def test_numbers_of_numpy_and_torch_are_kept_as_plain_ones() -> None:
    settings = Experiment(
        epochs=np.int64(3),  # type: ignore[arg-type]
        batch_size=torch.tensor(4),  # type: ignore[arg-type]
        minutes=np.float32(0.5),  # type: ignore[arg-type]
        compile=np.bool_(True),  # type: ignore[arg-type]
        data=Streets(size=np.array([32, 64]), seed=np.array(3)),  # type: ignore[arg-type]
        optimizer=AdamConfig(lr=np.float64(1e-3), betas=[np.float64(0.8), 0.9]),  # type: ignore[arg-type]
        weighting=FixedConfig({"depth": np.float64(2)}),
    )
    plain = Experiment(
        epochs=3,
        batch_size=4,
        minutes=0.5,
        compile=True,
        data=Streets(size=(32, 64), seed=3),
        optimizer=AdamConfig(lr=1e-3, betas=(0.8, 0.9)),
        weighting=FixedConfig({"depth": 2.0}),
    )
    assert settings == plain == parse(dump(settings), "it", Experiment) and repr(settings) == repr(plain)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": True}, "epochs is True: it must be a whole number"),
        ({"epochs": None}, "epochs is None: it must be a whole number"),
        ({"epochs": 3.0}, r"epochs is 3\.0: it must be a whole number"),
        ({"epochs": torch.ones(2)}, "epochs is a Tensor: it must be a whole number"),
        ({"patience": "3"}, "patience is '3', a string: it must be a whole number or None"),
        ({"compile": 1}, "compile is 1: it must be true or false"),
        ({"note": 3}, "note is 3: it must be text or None"),
        ({"precision": "fp16"}, "precision is 'fp16', a string: it must be one of 'fast', 'auto', 'fp32', 'bf16'"),
        ({"trackers": "wandb"}, "trackers is 'wandb', a string: it must be a tuple"),
        ({"tasks": ["depth"]}, r"tasks is \['depth'\]: it must be a mapping"),
        ({"start_from": 3}, "start_from is 3: it must be a path or None"),
    ],
)
def test_what_could_not_be_read_again_is_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Experiment(**settings)


@pytest.mark.parametrize("size", [32, "32x64", (32,), (1, 32, 64), (32.0, 64.0), (True, 64)])
def test_a_size_is_two_whole_numbers(size: Any) -> None:
    with pytest.raises(ValueError, match=r"size is .*it must be a tuple \(a whole number, a whole number\)"):
        Streets(size=size)


def test_types_that_are_written_as_text_are_those_that_they_name() -> None:
    assert Written(rate=np.float64(0.5), width=None).rate == 0.5  # type: ignore[arg-type]  # its own default
    with pytest.raises(ValueError, match="rate is -1: it must be above 0"):
        Written(rate=-1)
    with pytest.raises(ValueError, match="width is 'wide', a string"):
        Written(width="wide")  # type: ignore[arg-type]


def test_unknown_settings_are_met_with_the_nearest() -> None:
    for make, near in (
        (lambda: PCGradConfig(mod="features"), "PCGradConfig has no setting 'mod'; did you mean mode"),
        (lambda: SmoothL1(bta=1.0), "SmoothL1 has no setting 'bta'; did you mean beta"),
        (lambda: replace(PCGradConfig(), mod="features"), "no setting 'mod'; did you mean mode"),
    ):
        with pytest.raises(TypeError, match=near):
            make()
    kept = PCGradConfig(mode="features")
    assert pickle.loads(pickle.dumps(kept)) == copy.deepcopy(kept) == kept


def test_a_batch_of_one_is_refused_before_any_work() -> None:
    experiment = recipes.joint()
    assert replace(experiment, batch_size=2).batch_size == 2
    with pytest.raises(ValueError, match="batch_size is 1: batch normalization needs at least 2 images"):
        replace(experiment, batch_size=1)


def test_ranges_say_what_they_allow() -> None:
    assert str(Range(least=0, below=1)) == "at least 0 and below 1"
    assert str(Range(above=0)) == "above 0 and finite" and str(Range()) == "finite"
