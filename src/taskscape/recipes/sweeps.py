"""Published sweeps."""

SWEEPS: dict[str, tuple[str, str, str]] = {}
