"""The operators of a network: layers and functions with the shapes and memory layout of one batch."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from taskscape.selfcheck.apply import Remedy, remedy_layer
from taskscape.selfcheck.kinds import KERNELS, NORMALIZATIONS

LAYERS = (*KERNELS, *NORMALIZATIONS)
"""Layers with specialized kernels in libraries; checked as a whole, including subclasses."""

FUNCTIONS = {
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    *("linear", "matmul", "__matmul__", "bmm", "baddbmm", "scaled_dot_product_attention"),
    *("einsum", "addmm", "mean", "softmax", "log_softmax"),
    *("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"),
    *("max_pool2d", "max_pool2d_with_indices", "max_unpool2d", "avg_pool2d"),
    *("adaptive_avg_pool2d", "adaptive_max_pool2d"),
    *("interpolate", "grid_sample", "pixel_shuffle", "pixel_unshuffle", "fold", "unfold"),
}
"""Functions of torch that are checked when called outside of such a layer."""

Pass = Callable[[Sequence[Tensor]], Tensor]
"""A forward pass as a function of all its tensors: inputs, then weights."""


class Input(NamedTuple):
    """A tensor that an operator takes as input; weights are inputs too."""

    name: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    requires_grad: bool
    value: Tensor | None = None
    """The values of an integer tensor, such as pooling indices, which random numbers cannot replace; else None."""

    @classmethod
    def of(cls, name: str, x: Tensor) -> "Input":
        """Describe a tensor; keep the values of integers."""
        value = None if x.is_floating_point() else x.detach().clone()
        has_gradient = x.requires_grad and torch.is_grad_enabled()  # none in evaluation
        return cls(name, tuple(x.shape), tuple(x.stride()), x.dtype, has_gradient, value)

    def __str__(self) -> str:
        size = "×".join(map(str, self.shape))
        grad = "" if self.requires_grad else " fixed"
        return f"{self.name} {size} {str(self.dtype).removeprefix('torch.')} stride {self.stride}{grad}"


@dataclass
class Operator:
    """A layer or function with the shapes of a batch.

    ``users`` are the modules of the network that use it, ``calls`` is the number of calls in a forward pass.
    """

    title: str
    inputs: tuple[Input, ...]
    layer: nn.Module | None
    """The layer, or None for a function."""
    function: Callable[..., Any] | None = None
    arguments: tuple[Sequence[Any], Mapping[str, Any]] = ((), {})
    """Arguments of the function; a ``_Placeholder`` stands for a tensor."""
    users: list[str] = field(default_factory=list)
    calls: int = 0
    training: bool = True
    """Whether the layer is in training mode, as it was in the batch."""

    @property
    def signature(self) -> str:
        """A text of everything that determines which kernels run."""
        return "; ".join([self.title, *map(str, self.inputs)])

    def forward(self, remedy: Remedy | None = None, dtype: torch.dtype | None = None) -> Pass:
        """Return the forward pass, optionally with a remedy or in ``dtype``; both apply to layers only."""
        if self.layer is None:
            return self._call_function
        layer = copy.deepcopy(self.layer).to(dtype).train(self.training)
        if remedy is not None:
            remedy_layer(layer, remedy)
        names = [spec.name for spec in self.inputs[1:]]

        def call(tensors: Sequence[Tensor]) -> Tensor:
            weights = dict(zip(names, tensors[1:], strict=True))
            output: Tensor = torch.func.functional_call(layer, weights, (tensors[0],))
            return output

        return call

    def _call_function(self, tensors: Sequence[Tensor]) -> Tensor:
        assert self.function is not None
        arguments, options = self.arguments
        filled = [tensors[x.number] if isinstance(x, _Placeholder) else x for x in arguments]
        named = {name: tensors[x.number] if isinstance(x, _Placeholder) else x for name, x in options.items()}
        output = self.function(*filled, **named)
        first: Tensor = output[0] if isinstance(output, tuple) else output
        return first


class _Placeholder(NamedTuple):
    number: int


def operators(
    network: nn.Module,
    image: Tensor,
    autocast: Callable[[], torch.autocast],
    *,
    gradients: bool = True,
    of_convolutions: int | None = None,
) -> list[Operator]:
    """Return the operators that the network uses for this batch, each distinct one once.

    Runs one forward pass, and restores the network's buffers and torch's random generators. Without ``gradients``, runs
    as in evaluation. ``of_convolutions`` limits the batch size at which convolutions and linear layers are checked,
    since they take nearly all of the time; by default it is that of ``image``.
    """
    recorder = _Recorder(network, of_convolutions)
    with (
        recorder.watching_modules(),
        _unchanged(network, image.device),
        torch.set_grad_enabled(gradients),
        autocast(),
        recorder,
    ):
        network.forward(image)  # bypasses a compiled network
    return list(recorder.distinct.values())


class _Recorder(TorchFunctionMode):
    """Records the operators of a forward pass: layers as modules, and functions that are called outside of layers."""

    def __init__(self, network: nn.Module, of_convolutions: int | None) -> None:
        super().__init__()
        self.distinct: dict[str, Operator] = {}
        """The operators by their signature."""
        self._network = network
        self._of_convolutions = of_convolutions
        self._names = {module: name for name, module in network.named_modules()}
        self._stack: list[nn.Module] = []
        """The modules whose forward pass is running, from the outside in."""

    @contextmanager
    def watching_modules(self) -> Iterator[None]:
        """Let the modules of the network report the beginning and end of their forward passes."""
        modules = [module for module in self._names if module is not self._network]  # its own forward is called
        hooks = [module.register_forward_pre_hook(self._enter, prepend=True) for module in modules]
        hooks += [module.register_forward_hook(self._leave, always_call=True) for module in modules]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _enter(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, LAYERS) and len(inputs) == 1 and not self._is_within_layer():
            self._add(_layer(module, inputs[0], self._of_convolutions), module)
        self._stack.append(module)

    def _leave(self, module: nn.Module, *_: object) -> None:
        self._stack.pop()

    @override
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in FUNCTIONS and not self._is_within_layer():
            operator = _function(name, func, args, kwargs)
            if operator is not None:
                self._add(operator, self._stack[-1] if self._stack else self._network)
        return func(*args, **kwargs)

    def _is_within_layer(self) -> bool:
        return any(isinstance(module, LAYERS) for module in self._stack)

    def _add(self, operator: Operator, user: nn.Module) -> None:
        recorded = self.distinct.setdefault(operator.signature, operator)
        recorded.calls += 1
        if self._names[user] not in recorded.users:
            recorded.users.append(self._names[user])


def _layer(module: nn.Module, x: Tensor, of_convolutions: int | None) -> Operator:
    weights = [Input.of(name, parameter) for name, parameter in module.named_parameters()]
    mode = "training" if module.training else "evaluation"
    is_normalization = isinstance(module, NORMALIZATIONS)
    inputs = Input.of("input", x if is_normalization else x[:of_convolutions])
    return Operator(f"{module!r} in {mode}", (inputs, *weights), module, training=module.training)


def _function(name: str, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Operator | None:
    inputs: list[Input] = []

    def replaced(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        inputs.append(Input.of(f"input {len(inputs) + 1}", value))
        return _Placeholder(len(inputs) - 1)

    arguments = [replaced(x) for x in args]
    options = {key: replaced(x) for key, x in kwargs.items()}
    if "dropout_p" in options:
        options["dropout_p"] = 0.0  # random: two calls would differ
    if not any(spec.value is None for spec in inputs):
        return None
    plain = [repr(x) for x in arguments if not isinstance(x, _Placeholder)]
    plain += [f"{key}={x!r}" for key, x in options.items() if not isinstance(x, _Placeholder)]
    return Operator(f"{name}({', '.join(plain)})", tuple(inputs), None, func, (arguments, options))


@contextmanager
def _unchanged(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Restore buffers, such as running means, and torch's random generators on exit."""
    saved = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        with torch.no_grad():
            for buffer, value in saved:
                buffer.copy_(value)
