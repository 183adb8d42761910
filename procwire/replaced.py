"""What a session has replaced, until its last requests have had their end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procwire.executors import Runners
    from procwire.lifespan import Lifespan

__all__ = ["Replaced"]

WaitIdle = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Former:
    lifespan: Lifespan
    runners: Runners
    farewell: asyncio.Task[None]

    @property
    def matters(self) -> bool:
        """Whether something of it is left that the end has to know of."""
        return not self.farewell.done() or self.lifespan.failed or self.runners.running > 0


class Replaced:
    """The lifespans and runners of former clients.

    Args:
        grace: Seconds that a lifespan has for its end.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._former: list[_Former] = []

    def add(self, lifespan: Lifespan, runners: Runners, idle: WaitIdle | None) -> None:
        """Take one over, and take it down as soon as nothing needs it any more.

        Args:
            lifespan: What it has begun.
            runners: Where its handlers run.
            idle: Waits until its last request has ended; ``None`` when there can be none.
        """
        farewell = asyncio.get_running_loop().create_task(
            self._bid_farewell(lifespan, runners, idle), name="procwire-farewell"
        )
        self._former = [former for former in self._former if former.matters]
        self._former.append(_Former(lifespan, runners, farewell))

    async def _bid_farewell(
        self, lifespan: Lifespan, runners: Runners, idle: WaitIdle | None
    ) -> None:
        if idle is not None:
            await idle()
        await lifespan.end(self._grace)
        runners.close()

    @property
    def running(self) -> int:
        """How many threads have not come back from their handlers."""
        return sum(former.runners.running for former in self._former)

    @property
    def failed(self) -> bool:
        """Whether a lifespan has failed."""
        return any(former.lifespan.failed for former in self._former)

    async def end(self, deadline: float) -> None:
        """Take all of it down, whatever still needs it.

        Args:
            deadline: When it has to be done, by the loop's clock.
        """
        time = asyncio.get_running_loop().time
        for former in self._former:
            former.farewell.cancel()
            await former.lifespan.end(deadline - time())

    def close(self) -> None:
        """Let go of the threads and processes."""
        for former in self._former:
            former.runners.close()
