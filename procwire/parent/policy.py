"""How a worker is started, watched and started again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from procwire.counts import check_count

__all__ = ["Backoff", "Heartbeat", "SpawnPolicy"]


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait between attempts.

    Args:
        first: Seconds before the second attempt.
        factor: How many times as long each further wait is; 1 for always the same.
        longest: Seconds that none is longer than.

    Raises:
        ValueError: an argument is out of its range.
    """

    first: float = 1.0
    factor: float = 2.0
    longest: float = 30.0

    def __post_init__(self) -> None:
        if not (0 <= self.first < math.inf and self.factor >= 1 and 0 <= self.longest < math.inf):
            raise ValueError(f"the times are seconds, the factor is 1 at least: {self}")

    def seconds(self, failures: int) -> float:
        """How long to wait after so many failures, the first being 1."""
        try:
            return min(self.first * self.factor ** (failures - 1), self.longest)
        except OverflowError:
            return self.longest


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """How a worker is asked whether it still lives.

    Args:
        interval: Seconds from an answer to the next question.
        timeout: Seconds that it has for an answer; then it is killed.

    Raises:
        ValueError: one of them is not above 0.
    """

    interval: float
    timeout: float

    def __post_init__(self) -> None:
        if not (0 < self.interval < math.inf and 0 < self.timeout < math.inf):
            raise ValueError(f"a heartbeat's times are seconds above 0: {self}")


@dataclass(frozen=True, kw_only=True)
class SpawnPolicy:
    """How a worker is started, watched and started again.

    Args:
        init_timeout: Seconds that a worker has until it says that it is ready.
        max_retries: How many further attempts follow a failed one.
        backoff: The waits between them.
        restart_on_crash: Whether a worker that is lost is started again.
        max_restarts: How often within ``restart_window``; after that it stays closed.
        restart_window: Seconds.
        restart_backoff: The waits before restarts; it begins anew when none was in the window.
        heartbeat: How a worker that hangs is found; nobody looks when ``None``.
        auth: Whether the worker is given a secret that the first bytes on its socket must prove,
            so that it cannot take another process for its parent.

    Raises:
        TypeError: a count is no integer.
        ValueError: a number is out of its range.
    """

    init_timeout: float = 30.0
    max_retries: int = 3
    backoff: Backoff = Backoff()
    restart_on_crash: bool = False
    max_restarts: int = 5
    restart_window: float = 60.0
    restart_backoff: Backoff = Backoff()
    heartbeat: Heartbeat | None = None
    auth: bool = False

    def __post_init__(self) -> None:
        if not (0 < self.init_timeout < math.inf and 0 < self.restart_window < math.inf):
            raise ValueError(f"a policy's times are seconds above 0: {self}")
        check_count("max_retries", self.max_retries, least=0)
        check_count("max_restarts", self.max_restarts, least=0)
