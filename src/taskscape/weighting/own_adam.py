"""Optimizer of the methods that learn parameters outside of the run's optimizer."""

from typing import Any

import torch
from typing_extensions import override

_DEVICES_WITH_GRAPHS = ("cuda",)
"""The device types whose graphs can capture a step."""


class OwnAdam(torch.optim.Adam):
    """Adam whose steps a CUDA graph can capture: on a GPU, the step counter is on the device as well."""

    @override
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["capturable"] = all(parameter.device.type in _DEVICES_WITH_GRAPHS for parameter in group["params"])
            for parameter in group["params"]:
                if state := self.state[parameter]:  # may come from a run on another device
                    state["step"] = state["step"].to(parameter.device if group["capturable"] else "cpu")
        return super().step(closure)
