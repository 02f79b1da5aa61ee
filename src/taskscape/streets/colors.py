"""Colors of surfaces and of light."""

Color = tuple[float, float, float]
"""Linear RGB, 0..1 for surfaces."""


def mix(a: Color, b: Color, share: float) -> Color:
    """Return a color between ``a``, for a ``share`` of 0, and ``b``, for 1."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


def scaled(color: Color, factor: float) -> Color:
    """Return a color ``factor`` times as bright."""
    return color[0] * factor, color[1] * factor, color[2] * factor
