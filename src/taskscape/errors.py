"""Errors that end a command with a message instead of a traceback, beside ``ValueError`` and ``OSError``."""

import signal


class TrainingError(RuntimeError):
    """Training cannot go on. What was saved before is not touched."""


class Interrupted(KeyboardInterrupt):
    """The user or a scheduler stopped the run; its checkpoint is written."""

    def __init__(self, message: str, signum: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signum = int(signum)
        """The signal: SIGINT for Ctrl-C, or SIGTERM. A command then ends with 128 + its number, as in a shell."""
