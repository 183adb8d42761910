"""What a client was made with, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from procwire._core import MAX_PAYLOAD_SIZE
from procwire.counts import check_count
from procwire.executors import default_max_processes
from procwire.threads import default_max_threads

__all__ = [
    "DEFAULT_MAX_CONCURRENCY",
    "DEFAULT_MAX_IN_FLIGHT_BYTES",
    "Announce",
    "Liveness",
    "Options",
]

Liveness = Literal["loop", "process"]
Announce = Literal["ready", "early"]

DEFAULT_MAX_CONCURRENCY = 1024
DEFAULT_MAX_IN_FLIGHT_BYTES = 12 * 1024 * 1024
MIN_STALL_REPORT = 0.1
"""Seconds; a loop that is asked whether it turns more often does little else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The arguments of :class:`procwire.Client`, which says what they mean.

    Raises:
        TypeError: a count or a size is no integer.
        ValueError: one is out of its range.
    """

    max_payload_size: int
    max_concurrency: int
    max_in_flight_bytes: int
    max_threads: int | None
    max_processes: int | None
    backpressure_timeout: float | None
    liveness: Liveness
    stall_report: float | None
    announce: Announce
    error_details: bool
    debug: bool

    def __post_init__(self) -> None:
        check_count("max_payload_size", self.max_payload_size, most=MAX_PAYLOAD_SIZE)
        for name in ("max_concurrency", "max_in_flight_bytes"):
            check_count(name, getattr(self, name))
        for name in ("max_threads", "max_processes"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        patience = self.backpressure_timeout
        if patience is not None and not 0 < patience < math.inf:
            raise ValueError(f"backpressure_timeout is a number of seconds above 0, got {patience}")
        if self.liveness not in ("loop", "process"):
            raise ValueError(f"liveness is 'loop' or 'process', got {self.liveness!r}")
        stall = self.stall_report
        if stall is not None and not MIN_STALL_REPORT <= stall < math.inf:
            raise ValueError(f"stall_report is {MIN_STALL_REPORT} s at least, got {stall}")
        if self.announce not in ("ready", "early"):
            raise ValueError(f"announce is 'ready' or 'early', got {self.announce!r}")

    @property
    def threads(self) -> int:
        """How many threads run plain functions at most."""
        return self.max_threads or default_max_threads()

    @property
    def processes(self) -> int:
        """How many processes run handlers with ``executor="process"`` at most."""
        return self.max_processes or default_max_processes()
