"""Compares an operator in reduced precision with float32 on this machine: its output and all gradients."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from taskscape.selfcheck.apply import REMEDIES, Remedy
from taskscape.selfcheck.kinds import BATCH_NORMS
from taskscape.selfcheck.operators import Input, Operator, Pass

TOLERANCE = 0.02
"""Largest relative L2 error of an output or a gradient. Correct kernels in bfloat16 stay below 0.006 on the layers of
every network of this package (see docs/guide/precision.md); one wrong channel in a thousand exceeds the tolerance."""

TOLERANCE_FLOAT32 = 0.002
"""The same for float32 compared with float64: TF32, which GPUs use for convolutions, stays below 0.001."""

NOT_FINITE = 3e38
"""Free memory is filled with this value, to expose kernels that read memory that they have not written."""


FEWEST_VALUES = 16
"""With fewer values per channel, the input gradient of a batch normalization is a small difference of large numbers,
and zero with two values. Even a correct kernel then has a large relative error, so this gradient is not compared."""


class Verdict(NamedTuple):
    """The result of checking an operator."""

    wrong: str
    """The outputs and gradients that differ beyond rounding, and by how much; empty if none do."""
    remedy: Remedy | None
    """The remedy that makes the operator correct; None if nothing is wrong or no remedy helps."""


def check(
    operator: Operator,
    device: torch.device,
    autocast: Callable[[], torch.autocast],
    exact: torch.dtype = torch.float32,
) -> Verdict:
    """Run an operator forward and backward on random numbers, as the run does and in ``exact``: float32 or float64.

    The numbers are already rounded to the run's precision, so a correct kernel differs only in the rounding of its
    results. Torch's global random generators are not used. Errors of float32 itself have no remedy.
    """
    generator = torch.Generator(device).manual_seed(0)
    dtype = torch.get_autocast_dtype(device.type) if exact == torch.float32 else torch.float32
    tensors = [_values(spec, dtype, generator, "max_pool" in operator.title) for spec in operator.inputs]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):  # a user's layer may use the generators
        return _judge(operator, tensors, autocast, generator, exact)


def _judge(
    operator: Operator,
    tensors: Sequence[Tensor],
    autocast: Callable[[], torch.autocast],
    generator: torch.Generator,
    exact: torch.dtype,
) -> Verdict:
    inputs = operator.inputs
    run_tensors = [_as_in_run(spec, x) for spec, x in zip(inputs, tensors, strict=True)]
    _fill_free_memory(tensors)
    reduced, gradient = _run(operator.forward(), inputs, run_tensors, autocast, generator=generator)
    exact_tensors = [x.clone(memory_format=torch.contiguous_format) for x in tensors]
    exact_tensors = [x.to(exact) if x.is_floating_point() else x for x in exact_tensors]
    reference, _ = _run(operator.forward(dtype=exact), inputs, exact_tensors, None, gradient=gradient)
    if _cancels(operator):
        reference.pop("gradient of the input", None)
    wrong = _in_words(_beyond_rounding(reduced, reference))
    if not wrong or exact != torch.float32:
        return Verdict(wrong, None)
    if operator.layer is None:
        float32_tensors = [x.float() if x.is_floating_point() else x for x in run_tensors]
        results, _ = _run(operator.forward(), inputs, float32_tensors, None, gradient=gradient)
        return Verdict(wrong, None if _beyond_rounding(results, reference) else "float32")
    channels_last = any(x.dim() == 4 and not x.is_contiguous() for x in run_tensors)
    weights = [x.clone(memory_format=torch.contiguous_format) for x in run_tensors[1:]]
    for remedy in REMEDIES if channels_last else REMEDIES[1:]:
        _fill_free_memory(tensors)
        results, _ = _run(operator.forward(remedy), inputs, [run_tensors[0], *weights], autocast, gradient=gradient)
        if not _beyond_rounding(results, reference):
            return Verdict(wrong, remedy)
    return Verdict(wrong, None)


def _cancels(operator: Operator) -> bool:
    """Return whether the operator is a batch normalization over fewer than ``FEWEST_VALUES`` values per channel."""
    _, channels, *_ = operator.inputs[0].shape if len(operator.inputs[0].shape) > 1 else (1, 1)
    values = math.prod(operator.inputs[0].shape) // max(channels, 1)
    is_batch_norm = isinstance(operator.layer, BATCH_NORMS) or "batch_norm" in operator.title
    return is_batch_norm and values < FEWEST_VALUES


def _values(spec: Input, dtype: torch.dtype, generator: torch.Generator, distinct: bool) -> Tensor:
    """Return suitable random numbers for an input, contiguous and in its data type."""
    if spec.value is not None:
        return spec.value
    device = generator.device
    if distinct and len(spec.shape) == 4:  # no equal values within a window, or either could be the maximum
        rows = torch.arange(spec.shape[2], device=device)[:, None] % 4
        columns = torch.arange(spec.shape[3], device=device) % 4
        x = (4 * rows + columns) / 4 + torch.rand(spec.shape, generator=generator, device=device) / 8
    elif spec.name.startswith("input"):
        x = torch.randn(spec.shape, generator=generator, device=device)
    elif len(spec.shape) > 1:
        fan_in = max(math.prod(spec.shape[1:]), 1)
        x = torch.randn(spec.shape, generator=generator, device=device) / math.sqrt(fan_in)
    elif spec.name.endswith("weight"):
        x = 0.5 + torch.rand(spec.shape, generator=generator, device=device)
    else:
        x = 0.1 * torch.randn(spec.shape, generator=generator, device=device)
    return x.to(dtype).to(spec.dtype)


def _as_in_run(spec: Input, x: Tensor) -> Tensor:
    """Return the same numbers in the memory layout of the run."""
    if 0 in spec.stride or not x.is_floating_point():  # expanded
        return x
    return torch.empty_strided(spec.shape, spec.stride, dtype=x.dtype, device=x.device).copy_(x)


def _run(
    forward: Pass,
    inputs: Sequence[Input],
    tensors: Sequence[Tensor],
    autocast: Callable[[], torch.autocast] | None,
    *,
    generator: torch.Generator | None = None,
    gradient: Tensor | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the output with all gradients, and the gradient of the output, which ``generator`` draws if not given."""
    leaves = [x.detach().requires_grad_(spec.requires_grad) for spec, x in zip(inputs, tensors, strict=True)]
    with torch.enable_grad():
        if autocast is None:
            output = forward(leaves)
        else:
            with autocast():
                output = forward(leaves)
    if gradient is None:
        assert generator is not None
        gradient = torch.randn(output.shape, generator=generator, device=output.device).to(output.dtype)
    results = {"output": output.detach()}
    differentiable = {
        f"gradient of the {spec.name}": x for spec, x in zip(inputs, leaves, strict=True) if x.requires_grad
    }
    if differentiable and output.requires_grad:
        output_gradient = torch.empty_like(output).copy_(gradient)  # in the layout of the output
        gradients = torch.autograd.grad(output, list(differentiable.values()), output_gradient, allow_unused=True)
        results |= {name: x for name, x in zip(differentiable, gradients, strict=True) if x is not None}
    return results, gradient


def _beyond_rounding(results: dict[str, Tensor], reference: dict[str, Tensor]) -> dict[str, float]:
    errors = {name: relative_error(results[name], exact) for name, exact in reference.items()}
    return {name: error for name, error in errors.items() if not error <= _tolerance(reference[name])}


def _tolerance(exact: Tensor) -> float:
    return TOLERANCE if exact.dtype == torch.float32 else TOLERANCE_FLOAT32


def _in_words(errors: dict[str, float]) -> str:
    texts = {n: f"relative error {error:.2g}" if math.isfinite(error) else "not finite" for n, error in errors.items()}
    return ", ".join(f"{name} ({text})" for name, text in texts.items())


def relative_error(result: Tensor, reference: Tensor) -> float:
    """Return ‖result − reference‖ / ‖reference‖, or infinity if the result is not finite."""
    difference = float((result.to(reference.dtype) - reference).norm())
    size = float(reference.norm())
    if not math.isfinite(difference):
        return math.inf
    if size == 0:
        return math.inf if difference else 0.0
    return difference / size


def _fill_free_memory(tensors: Sequence[Tensor]) -> None:
    """Fill free memory with large numbers: a wrong kernel may read unwritten memory, which often happens to be zero."""
    if tensors and tensors[0].device.type == "cpu":
        filled = [torch.full((x.numel(),), NOT_FINITE, dtype=torch.float32) for x in tensors]
        del filled
