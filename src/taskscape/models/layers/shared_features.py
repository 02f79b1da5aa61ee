"""The shared features, between the shared and the task-specific layers."""

from torch import Tensor


def shared_features(*features: Tensor) -> tuple[Tensor, ...]:
    """Return views of the features at the split point between shared and task-specific layers.

    Some features may be computed from others, as a bottleneck is from a skip. The gradient with respect to a view comes
    from the task-specific layers only; it does not include the path from the skip through the rest of the encoder.
    """
    return tuple(x.view_as(x) for x in features)
