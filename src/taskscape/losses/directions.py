"""What the losses of directions have in common."""

from taskscape.batch import Target


def checked_directions(target: Target) -> Target:
    """Return the target. Raises ``ValueError`` for vectors of length 0 at valid pixels, often marks of no label."""
    if (~target.value.any(1) & target.valid).any():
        raise ValueError(
            "the target has vectors of length 0 at valid pixels: mask pixels without a direction, such as with "
            "valid=normals.any(1)"
        )
    return target
