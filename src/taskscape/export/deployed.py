"""The module to export: a network with its pre- and post-processing, and its traced program."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType, MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models import Network
from taskscape.tasks import Task


class Deployed(nn.Module):
    """Maps (B, 3, H, W) images in 0..255, uint8 or floating-point, to a network's decoded outputs (``decoded``)."""

    def __init__(
        self, network: Network, tasks: Mapping[str, Task], spreads: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        """Wrap a network in evaluation mode for some of its tasks; ``spreads`` is as for ``decoded``.

        The network is modified for export.
        """
        super().__init__()
        from timm.layers.conv2d_same import Conv2dSame
        from timm.layers.pool2d_same import AvgPool2dSame

        self.network, self.tasks, self.spreads = network, dict(tasks), dict(spreads)
        for module in network.modules():
            if getattr(module, "inplace", False):  # dead-code elimination would keep in-place operations
                setattr(module, "inplace", False)  # noqa: B010
            if isinstance(module, Conv2dSame) and _is_wide(module):
                setattr(module, "forward", MethodType(_convolved, module))  # noqa: B010
            if isinstance(module, AvgPool2dSame) and _is_wide(module):
                setattr(module, "forward", MethodType(_averaged, module))  # noqa: B010

    @override
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the values of every task in order, then the confidences."""
        return tuple(decoded(self.network.forward(image.float() / 255).final, self.tasks, self.spreads))


def decoded(final: Mapping[str, Tensor], tasks: Mapping[str, Task], spreads: Mapping[str, float]) -> list[Tensor]:
    """Return the values of all tasks from raw outputs, then the confidences of the tasks in ``spreads``.

    Values have the shapes of ``Target.value``: (B, H, W) for class ids, (B, C, H, W) for others. Confidences are
    (B, 1, H, W) in 0..1 (``Task.confidence_of``). ``spreads`` may name only tasks with a confidence.
    """
    values = [task.decode(final[name]) for name, task in tasks.items()]
    confidences = [tasks[name].confidence_of(final[name], spread) for name, spread in spreads.items()]
    return values + [confidence.unsqueeze(1) for confidence in confidences if confidence is not None]


def _is_wide(module: Any) -> bool:
    """Return whether the window spans at least its stride, so that the padding is never negative."""
    return all((k - 1) * d + 1 >= s for k, s, d in _windows(module))


def _windows(module: Any) -> list[tuple[int, int, int]]:
    """Return size, stride and dilation of a convolution's or pooling's window, for height and width."""
    dilation = getattr(module, "dilation", (1, 1))
    return list(zip(module.kernel_size, module.stride, dilation, strict=True))


def _convolved(self: Any, x: Tensor) -> Tensor:
    """Convolve with padding like TensorFlow's "same"."""
    return F.conv2d(_padded(self, x), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def _averaged(self: Any, x: Tensor) -> Tensor:
    """Average with padding like TensorFlow's "same"."""
    padded = _padded(self, x)
    return F.avg_pool2d(padded, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


def _padded(module: Any, x: Tensor) -> Tensor:
    """Return a padded feature map, using one formula for all sizes.

    The formula of timm takes maxima and compares sizes. Its symbolic form takes minutes to export, and cannot be saved.
    """
    pads: list[int] = []
    for size, (k, s, d) in zip(x.shape[:1:-1], reversed(_windows(module)), strict=True):
        total = ((size + s - 1) // s - 1) * s + (k - 1) * d + 1 - size
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


def sizes_as_one_case() -> AbstractContextManager[None]:
    """Return a context in which torch does not specialize on sizes that happen to be equal, by a private setting."""
    from torch.fx.experimental import _config

    config: Any = _config
    patched: AbstractContextManager[None] = config.patch(backed_size_oblivious=True)
    return patched


def trace(deployed: Deployed, size: tuple[int, int] | None) -> torch.export.ExportedProgram:
    """Return the program for one image of any size, or of ``size``, without operations that its outputs do not need.

    Raises ``ValueError`` with the reason if torch cannot export it.
    """
    dynamic = None if size else {"image": {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}}
    example = torch.zeros(1, 3, *(size or (97, 130)), dtype=torch.uint8)  # not divisible by any stride
    try:
        with torch.no_grad(), sizes_as_one_case():
            program = torch.export.export(deployed, (example,), dynamic_shapes=dynamic)
            if len(deployed.tasks) < len(deployed.network.out_channels):
                program = torch.export.export(_pruned(program), (example,), dynamic_shapes=dynamic)
    except Exception as error:  # torch raises errors of all types here
        line = str(error).strip().partition("\n")[0]
        raise ValueError(f"{type(deployed.network).__name__} cannot be exported ({line}): try --size HxW") from error
    return program


def _pruned(program: torch.export.ExportedProgram) -> nn.Module:
    """Return a program as a module without the operations and weights that no output needs."""
    module: Any = program.module()
    module.graph.eliminate_dead_code()
    used = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    for name in [name for name, _ in (*module.named_parameters(), *module.named_buffers())]:
        if name not in used:
            parent, _, attribute = name.rpartition(".")
            delattr(module.get_submodule(parent), attribute)
    module.recompile()
    pruned: nn.Module = module
    return pruned


def size_of(program: torch.export.ExportedProgram) -> int:
    """Return the number of weights of a program."""
    return sum(math.prod(tensor.shape) for tensor in program.state_dict.values())
