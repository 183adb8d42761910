"""What can go wrong with a worker as a whole; errors of its answers are in procwire.errors."""

from __future__ import annotations

from procwire.errors import ProcwireError

__all__ = ["SchemaError", "SpawnError", "WorkerLostError"]


class SpawnError(ProcwireError):
    """A worker could not be started; the last attempt's error is the cause.

    Attributes:
        attempts: How often it was tried.
    """

    def __init__(self, message: str, attempts: int = 1) -> None:
        super().__init__(message)
        self.attempts = attempts


class SchemaError(ProcwireError):
    """What a worker offers is not what its module declares."""


class WorkerLostError(ProcwireError):
    """A worker has ended, closed its connection or become silent, and nobody had asked it to; or it
    was asked to end, and has not done so in time, or with another status than 0.

    Attributes:
        exit_status: Its exit status, negative for the number of a signal; ``None`` when it was
            still there, and had to be killed.
    """

    def __init__(self, message: str, exit_status: int | None = None) -> None:
        super().__init__(message)
        self.exit_status = exit_status
