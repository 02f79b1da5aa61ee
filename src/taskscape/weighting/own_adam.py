"""Building block of the methods that learn something outside of the run's optimizer."""

from typing import Any

import torch
from typing_extensions import override


class OwnAdam(torch.optim.Adam):
    """Adam whose step a CUDA graph can hold: on a GPU its count of steps is there too, on a CPU it is torch's."""

    @override
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["capturable"] = any(parameter.is_cuda for parameter in group["params"])
        for parameter, state in self.state.items():  # which may come from a run on a CPU
            state["step"] = state["step"].to(parameter.device if parameter.is_cuda else "cpu")
        return super().step(closure)
