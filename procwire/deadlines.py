"""How long a request may take, as the parent is told and as the worker enforces it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from procwire.handlers import ResponseKind

__all__ = ["GRACE", "MAX_TIMEOUT", "TimeLimit", "milliseconds", "time_limit"]

GRACE = 0.1
"""Seconds after a method's timeout when its handler is cancelled: by then the parent has given up
by itself, unless it has set a longer limit of its own."""
MAX_TIMEOUT = (2**31 - 1) / 1000
"""Seconds; JavaScript's timers take a longer time for none at all, and fire at once."""


@dataclass(frozen=True)
class TimeLimit:
    """What happens to a method's requests in time.

    Attributes:
        seconds: When a request is given up.
        from_arrival: Whether the time counts that a request waits for its handler to begin.
        message: What the caller is told, if it still waits.
    """

    seconds: float
    from_arrival: bool
    message: str


def time_limit(
    method: str, response: ResponseKind, timeout: float | None, max_duration: float | None
) -> TimeLimit | None:
    """The limit that a method's options mean; ``None`` without any.

    Raises:
        ValueError: one of them is out of its range, or means nothing for this kind of response.
    """
    answered = response in ("result", "ack")
    if timeout is not None:
        if not 0 <= timeout <= MAX_TIMEOUT:
            raise ValueError(
                f"timeout is a number of seconds from 0 to {MAX_TIMEOUT}, got {timeout}"
            )
        if not answered:
            raise ValueError(
                f"the parent waits for a {response!r} method without a limit: give max_duration"
            )
        if timeout:
            message = f"{method!r} has not answered within {timeout:g} s"
            return TimeLimit(timeout + GRACE, True, message)
    if max_duration is not None:
        if not 0 < max_duration < math.inf:
            raise ValueError(f"max_duration is a number of seconds above 0, got {max_duration}")
        if answered:
            raise ValueError(f"max_duration is not for a {response!r} method: give timeout")
        message = f"{method!r} ran longer than {max_duration:g} s"
        return TimeLimit(max_duration, False, message)
    return None


def milliseconds(timeout: float) -> int:
    """A timeout as the schema has it, where 0 is for ever."""
    return max(round(timeout * 1000), 1) if timeout else 0
