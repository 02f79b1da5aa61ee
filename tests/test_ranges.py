"""Every numeric setting is within its range, or refused by name before any work begins."""

import doctest
import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from taskscape.data import Augmentation, DataSource, Streets
from taskscape.data.sources import Part
from taskscape.losses import Loss
from taskscape.modalities.class_sets import CITYSCAPES_2
from taskscape.models import DeeplabJointConfig, NetworkConfig
from taskscape.objectives import Objective
from taskscape.runs import Experiment
from taskscape.serialization import offered, ranges
from taskscape.serialization.ranges import Range
from taskscape.tasks import Depth, SemanticSegmentation, Task
from taskscape.training.optimization import OptimizerConfig, Schedule

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
"""Settings of which 0 is documented to mean something."""
ALLOWED_NEGATIVE = {*((name, "ignore_index") for name in ENTROPIES), ("depth", "mean")}


def name_of(cls: type) -> str:
    return str(getattr(cls, "name", cls.__name__))


def _fields() -> Iterator[Any]:
    for cls in CLASSES:
        for field in fields(cls):
            if not isinstance(field.type, str) and _holds_number(field.type):
                yield pytest.param(cls, field, id=f"{name_of(cls)}.{field.name}")


def _holds_number(kind: Any) -> bool:
    """Return whether a field's type holds numbers: alone, optional, in tuples or by name."""
    arguments = getattr(kind, "__args__", ())
    if kind in (int, float):
        return True
    inner = (kind.__origin__,) if hasattr(kind, "__metadata__") else arguments
    return any(_holds_number(part) for part in inner if not isinstance(part, str))


NUMERIC = list(_fields())


def with_number(cls: type, field: Field[Any], number: float) -> Any:
    """Make the settings with this number in the field, wherever it holds one."""
    default = field.default if field.default_factory is MISSING else field.default_factory()
    value: Any = number
    if isinstance(default, tuple) or "tuple" in str(field.type):
        value = (number,) * (len(default) if isinstance(default, tuple) else 2)
    elif isinstance(default, Mapping):
        value = {"depth": number}
    needed = {"path": Path("store")} if cls is Part else {}
    return cls(**needed, **{field.name: value})


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf], ids=str)
@pytest.mark.parametrize(("cls", "field"), NUMERIC)
def test_what_is_no_number_is_refused_by_name(cls: type, field: Field[Any], number: float) -> None:
    with pytest.raises(ValueError, match=rf"\b{field.name}\b.*(nan|inf).*must|weight of consistency is .*must"):
        with_number(cls, field, number)


@pytest.mark.parametrize(("cls", "field"), NUMERIC)
def test_negative_numbers_are_refused_by_name(cls: type, field: Field[Any]) -> None:
    if (name_of(cls), field.name) in ALLOWED_NEGATIVE:
        assert with_number(cls, field, -1)
        return
    with pytest.raises(ValueError, match=rf"\b{field.name}\b.*-1.*(must|needs|give)|weight of consistency is .*must"):
        with_number(cls, field, -1)


@pytest.mark.parametrize(("cls", "field"), NUMERIC)
def test_zero_is_refused_by_name_unless_it_means_something(cls: type, field: Field[Any]) -> None:
    if (name_of(cls), field.name) not in ALLOWED_ZERO:
        with pytest.raises(ValueError, match=rf"\b{field.name}\b.*0.*(must|needs|give)"):
            with_number(cls, field, 0)
        return
    settings: Any = with_number(cls, field, 0)
    if isinstance(settings, NetworkConfig):
        tasks = {"semseg": SemanticSegmentation(CITYSCAPES_2), "depth": Depth("metres", mean=0.0, std=1.0)}
        with torch.device("meta"):
            settings.for_tasks(tasks).from_scratch().build({name: task.channels for name, task in tasks.items()})
    elif isinstance(settings, OptimizerConfig):
        settings.build([{"params": [torch.nn.Parameter(torch.zeros(1))]}])
    elif isinstance(settings, Schedule):
        assert all(0 <= settings.factor(step / 7, 3) <= 1 for step in range(21))


def test_fields_within_others_are_found() -> None:
    assert [p.values[1].name for p in NUMERIC if p.values[0] is Streets] == [
        "train", "val", "test", "shifted", "size", "samples", "seed"
    ]  # fmt: skip


def test_all_numbers_of_a_list_are_checked() -> None:
    with pytest.raises(ValueError, match=r"rates is \(3, 6, 0\): it must be at least 1"):
        DeeplabJointConfig(rates=(3, 6, 0))
    with pytest.raises(ValueError, match=r"scale_choices is \(1\.0, nan\)"):
        Augmentation(scale_choices=(1.0, math.nan))


def test_a_whole_number_is_wanted_where_one_is_declared() -> None:
    with pytest.raises(ValueError, match=r"epochs is 1\.5: it must be a whole number"):
        replace(Experiment(), epochs=1.5)  # type: ignore[arg-type]
    assert 10**400 in Range(least=0)


def test_ranges_say_what_they_allow() -> None:
    assert str(Range(least=0, below=1)) == "at least 0 and below 1"
    assert str(Range(above=0)) == "above 0 and finite" and str(Range()) == "finite"
    assert doctest.testmod(ranges).failed == 0
