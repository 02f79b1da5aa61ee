"""Several networks of the same settings computed as one network, whose weights have an extra axis."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from taskscape.models import Network, Outputs
from taskscape.training.as_alone import AsAlone

_SIZE = (64, 96)
"""Height and width of the images with which networks are tried."""


def require_stackable(networks: Sequence[Network]) -> None:
    """Raise ``ValueError`` with the remedy unless these networks, on torch's meta device, can be computed as one."""
    images = torch.zeros(len(networks), 2, 3, *_SIZE, device="meta")
    try:
        Networks(networks)(images)
    except RuntimeError as error:
        name, reason = type(networks[0]).__name__, " ".join(str(error).split()).partition(". ")[0]
        if "random" in reason:
            raise ValueError(
                f"{name} draws random numbers in training, which would not be those of each run alone; set its "
                "dropout to 0"
            ) from error
        raise ValueError(f"{name} cannot be computed by torch.vmap: {reason}; train its runs one by one") from error


class Networks:
    """Networks of the same settings as one: their tensors become views of tensors with an extra first axis."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._first = networks[0]
        self._slots: list[tuple[dict[str, Any], str, int]] = []
        """Where the first network holds its tensors, and the index of each; one tensor may be in several places."""
        self._tensors: list[Tensor] = []
        self.trained: list[list[nn.Parameter]] = [[] for _ in networks]
        """The trainable parameters of each network."""
        self._leaves: list[Tensor] = []
        """The tensors with the extra axis of which they are views."""
        numbers: dict[int, int] = {}
        for modules in zip(*(network.modules() for network in networks), strict=True):
            for attribute in ("_parameters", "_buffers"):
                for name, tensor in getattr(modules[0], attribute).items():
                    if tensor is None:
                        continue
                    if id(tensor) not in numbers:
                        numbers[id(tensor)] = len(self._tensors)
                        self._add([getattr(module, attribute)[name] for module in modules])
                    self._slots.append((getattr(modules[0], attribute), name, numbers[id(tensor)]))

    def _add(self, tensors: Sequence[Tensor]) -> None:
        joined = _joined(tensors)
        if tensors[0].requires_grad:
            joined.requires_grad_()
            self._leaves.append(joined)
            for trained, parameter in zip(self.trained, tensors, strict=True):
                assert isinstance(parameter, nn.Parameter)
                trained.append(parameter)
        self._tensors.append(joined)

    def __call__(self, images: Tensor) -> Outputs:
        """Return the outputs of the networks for images (networks, B, 3, H, W): maps with an extra first axis."""
        originals = [holder[name] for holder, name, _ in self._slots]
        try:
            with AsAlone():
                outputs: Outputs = torch.vmap(self._forward_one)(self._tensors, images)
            return outputs
        finally:
            for (holder, name, _), tensor in zip(self._slots, originals, strict=True):
                holder[name] = tensor

    def _forward_one(self, tensors: Sequence[Tensor], image: Tensor) -> Outputs:
        for holder, name, number in self._slots:
            holder[name] = tensors[number]
        return self._first.forward(image)  # __call__ would read values of the images

    def hand_out_gradients(self) -> None:
        """Give the parameters of each network their part of the gradients."""
        for leaf, *parameters in zip(self._leaves, *self.trained, strict=True):
            if leaf.grad is not None:
                for parameter, gradient in zip(parameters, leaf.grad.unbind(), strict=True):
                    parameter.grad = gradient
                leaf.grad = None

    def gradients(self, maps: Sequence[Tensor], map_gradients: Sequence[Tensor]) -> list[Tensor | None]:
        """Return the gradients at the trainable parameters, each (networks, …), from those at maps of the outputs."""
        gradients = torch.autograd.grad(maps, self._leaves, map_gradients, retain_graph=True, allow_unused=True)
        return [
            None if x is None else _with_strides_of(x, leaf) for x, leaf in zip(gradients, self._leaves, strict=True)
        ]


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    """Return the tensors as one, (tensors, …), with their memory format, and make each a view of it."""
    first = tensors[0]
    shape, strides = (len(tensors), *first.shape), (first.numel(), *first.stride())
    joined = torch.empty_strided(shape, strides, dtype=first.dtype, device=first.device)
    for part, tensor in zip(joined.unbind(), tensors, strict=True):
        part.copy_(tensor.detach())
        tensor.data = part
    return joined


def _with_strides_of(x: Tensor, like: Tensor) -> Tensor:
    """Return a tensor with the strides of another, which fused optimizers require of gradients."""
    return x if x.stride() == like.stride() else torch.empty_like(like).copy_(x)
