"""Errors that end a command with a message instead of a traceback, beside ``ValueError`` and ``OSError``."""


class TrainingError(RuntimeError):
    """Training cannot go on. What was saved before is intact."""


class Interrupted(KeyboardInterrupt):
    """The user stopped the run; its checkpoint is written."""
