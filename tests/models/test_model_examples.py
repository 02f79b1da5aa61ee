"""The examples in the docstrings of networks run."""

import doctest
import importlib
import pkgutil

import pytest

from taskscape import models

MODULES = ["taskscape.models", *(m.name for m in pkgutil.walk_packages(models.__path__, "taskscape.models."))]


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


@pytest.mark.parametrize(
    "config",
    [models.DeeplabJointConfig, models.DeeplabDistillConfig, models.SegnetMtanConfig, models.AdaptiveDepthConfig],
)
def test_the_main_networks_have_one(config: type[models.NetworkConfig]) -> None:
    assert ">>> " in str(config.__doc__)
