"""Connections that have not proved the token yet: how many there may be, and for how long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procwire._core import WorkerConnection

__all__ = ["MAX_STRANGERS", "PATIENCE", "Strangers"]

MAX_STRANGERS = 64
"""Above it the one that has been silent for longest is closed, never the newcomer: that may be
the parent, who must get in however many others wait and say nothing."""
PATIENCE = 2.0
"""Seconds that a connection has from being accepted to having proved the token."""

_logger = logging.getLogger("procwire.connection")


class Strangers:
    """The waiting room: every connection that may still become the parent's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # In the order of their arrival, each with the timer of its end.
        self._waiting: dict[WorkerConnection, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[WorkerConnection]:
        return iter(self._waiting)

    def admit(self, connection: WorkerConnection) -> None:
        """Let a connection wait, in the place of the oldest if there is no other."""
        if len(self._waiting) == MAX_STRANGERS:
            self.drop_oldest()
        self._waiting[connection] = self._loop.call_later(PATIENCE, self._give_up, connection)

    def drop_oldest(self) -> None:
        """Close the one that has been silent for longest, if there is one."""
        oldest = next(iter(self._waiting), None)
        if oldest is not None:
            self.discard(oldest)
            oldest.abort()

    def discard(self, connection: WorkerConnection) -> None:
        """It is the parent's, or it has ended."""
        timer = self._waiting.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def abort_all(self) -> None:
        """Close them all; each is discarded when it has ended."""
        for connection in list(self._waiting):
            connection.abort()

    def _give_up(self, connection: WorkerConnection) -> None:
        _logger.warning(
            "a stranger's connection is dropped: it has not proved the token in %g s", PATIENCE
        )
        self.discard(connection)
        connection.abort()
