"""Building block of the methods that learn something outside of the run's optimizer."""

from typing import Any

import torch
from typing_extensions import override

_WITH_GRAPHS = ("cuda",)
"""The devices whose graphs can hold a step."""


class OwnAdam(torch.optim.Adam):
    """Adam whose step a CUDA graph can hold: on a GPU its count of steps is there too, on a CPU it is torch's."""

    @override
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["capturable"] = all(parameter.device.type in _WITH_GRAPHS for parameter in group["params"])
            for parameter in group["params"]:
                if state := self.state[parameter]:  # which may come from a run on another device
                    state["step"] = state["step"].to(parameter.device if group["capturable"] else "cpu")
        return super().step(closure)
