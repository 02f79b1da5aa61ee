"""Packages that only some sweeps need; ``pip install taskscape`` leaves them out."""

from importlib.util import find_spec


def require_optuna() -> None:
    """Raise ``ValueError`` if Optuna, which proposes the runs of a search, is not installed."""
    if find_spec("optuna") is None:
        raise ValueError("a search needs Optuna: pip install 'taskscape[sweep]'")


def require_ray() -> None:
    """Raise ``ValueError`` if Ray, which trains on a cluster, is not installed."""
    if find_spec("ray") is None:
        raise ValueError("--on ray needs Ray: pip install 'taskscape[ray]'")
