"""What a worker has done so far, from counters that the compiled core keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procwire._core import Method, WorkerConnection

__all__ = ["MethodStats", "Stats", "collect"]


@dataclass(frozen=True, slots=True)
class MethodStats:
    """The requests to one method.

    Attributes:
        requests: How many have been read. Each of them has had one of the next three outcomes, or
            is in flight.
        succeeded: Those that were answered, or whose handler ended without an error where no
            answer is expected.
        failed: Those that were answered with an error, or whose handler raised one where no
            answer is expected.
        aborted: Those that the caller gave up, whose time limit passed, or whose connection was
            lost, before an answer.
        in_flight: Those that have had no end yet; the ones that wait for their turn are among
            them.
        late: Of the aborted ones, those whose handler answered nevertheless: work for nothing.
    """

    requests: int
    succeeded: int
    failed: int
    aborted: int
    in_flight: int
    late: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What a worker has done since it was started; what :meth:`Client.stats` returns.

    A handler may return it: it travels as an object of numbers.

    Attributes:
        methods: By the method's name.
        in_flight: Requests of all methods that have had no end yet.
        waiting: Those of them that have been read and not begun, at a limit or during start-up.
        running: Handlers that have not ended, those included that go on after their answer or
            after an abort.
        late: Answers of all methods that came after an abort, and were dropped.
        bytes_in: Bytes read from the parent's connection, headers included.
        bytes_out: Bytes sent on it.
        read_paused: Seconds for which nothing was read: because of limits, or because the parent
            did not take its answers.
        write_paused: Seconds for which whoever sends step by step had to wait for the parent.
    """

    methods: dict[str, MethodStats]
    in_flight: int
    waiting: int
    running: int
    late: int
    bytes_in: int
    bytes_out: int
    read_paused: float
    write_paused: float


def collect(
    names: Sequence[str], methods: Sequence[Method], connection: WorkerConnection | None
) -> Stats:
    """The counters as they are now.

    Args:
        names: The registered methods.
        methods: The same, once they are served; nothing before.
        connection: The parent's, if there is or has been one.
    """
    nothing = MethodStats(0, 0, 0, 0, 0, 0)
    counted = dict.fromkeys(names, nothing) | {
        method.name: MethodStats(
            requests=method.requests,
            succeeded=method.succeeded,
            failed=method.failed,
            aborted=method.aborted,
            in_flight=method.requests - method.succeeded - method.failed - method.aborted,
            late=method.late,
        )
        for method in methods
    }
    received, sent, held, paused = (0, 0, 0.0, 0.0) if connection is None else connection.traffic()
    return Stats(
        methods=counted,
        in_flight=sum(method.in_flight for method in counted.values()),
        waiting=0 if connection is None else connection.waiting_count,
        running=0 if connection is None else connection.pending,
        late=sum(method.late for method in counted.values()),
        bytes_in=received,
        bytes_out=sent,
        read_paused=held,
        write_paused=paused,
    )
