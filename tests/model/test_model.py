"""Thousands of random programs against the rules that every request must obey.

Each program is made of one seed: which handlers there are and what they do, when the parent aborts,
how bytes are cut, how much the transport takes, in which order callbacks of one turn run, and how
it ends.  The rules: each request has exactly one end, and nothing follows it; chunks come in order;
nothing is sent for an aborted request; a handler that waits hears of an abort in the turns that
asyncio needs; its clean-up runs; afterwards nothing is left.

To see one program again: ``PROCWIRE_MODEL_SEED=123 pytest tests/model``.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from procwire import CallNext, Client, Context, Stats

from ..inprocess import serve
from .handlers import Handlers
from .loop import Deadlock, LoopExecutor, ShuffledLoop
from .peer import Peer
from .requests import SPECS
from .transport import MemoryTransport

PROGRAMS = int(os.environ.get("PROCWIRE_MODEL_PROGRAMS", "2500"))
BATCH = 250
TURNS = 20_000
"""More than any program needs: what has not ended by then never will."""

ENDINGS = ("eof", "shutdown", "shutdown at once", "loss", "early eof", "duplicate", "nonsense")


def seeds() -> list[range]:
    chosen = os.environ.get("PROCWIRE_MODEL_SEED")
    if chosen is not None:
        return [range(int(chosen), int(chosen) + 1)]
    return [range(first, first + BATCH) for first in range(0, PROGRAMS, BATCH)]


@pytest.fixture(autouse=True)
def silent_log() -> Iterator[None]:
    """Most programs fail on purpose."""
    logger = logging.getLogger("procwire")
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize("batch", seeds(), ids=lambda batch: f"{batch[0]}-{batch[-1]}")
def test_programs(batch: range) -> None:
    loops = []
    for seed in batch:
        try:
            loops.append(run_program(seed))
        except BaseException as error:
            error.add_note(f"PROCWIRE_MODEL_SEED={seed}")
            raise
    # Futures and tasks complain when they are collected.
    gc.collect()
    assert [loop.reported for loop in loops if loop.reported] == []


def run_program(seed: int) -> ShuffledLoop:
    random = Random(seed)
    loop = ShuffledLoop(random)
    try:
        loop.run_until_complete(Scenario(random, loop, seed).run())
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        assert not left, f"tasks are left: {left}"
    except Deadlock:
        raise AssertionError("nothing goes on, and not all has ended") from None
    finally:
        loop.close()
    return loop


def verify_counts(stats: Stats) -> None:
    """Each request has been counted at its one end; nothing is under way."""
    for method in stats.methods.values():
        assert method.in_flight == 0, method
        assert method.late <= method.aborted, method
    assert stats.waiting == stats.running == stats.in_flight == 0


async def transparent(data: Any, _ctx: Context, call_next: CallNext) -> Any:
    """A middleware that nobody should notice."""
    return await call_next(data)


class Scenario:
    """One program: a client, a parent, and the way in which it ends."""

    def __init__(self, random: Random, loop: ShuffledLoop, seed: int) -> None:
        self._random = random
        self._loop = loop
        # Small ones first: the first seed that fails is easy to understand.
        self._acts = random.randrange(1, 4 + min(seed // 60, 24))
        self._ending = random.choice(ENDINGS)
        self._specs = random.sample(SPECS, random.randrange(1, 6))

    async def run(self) -> None:
        random, loop = self._random, self._loop
        client = Client(max_concurrency=random.choice((1, 2, 4, 1024)))
        if random.random() < 0.3:
            client.middleware(transparent)
        handlers = Handlers(client, loop, self._specs)
        factory = await serve(client, LoopExecutor(loop, random))
        weight, high = random.choice(((1, 0), (1, 100), (1, 5000), (40_000, 100), (1, 1 << 20)))
        transport = MemoryTransport(loop, random, weight=weight, high=high)
        connection = factory()
        transport.start(connection)
        peer = Peer(random, loop, handlers, transport, self._specs)
        for _ in range(self._acts):
            await self._let(peer.act, peer)
        complete = await self._end(client, peer, handlers, transport)
        if not complete:
            # Whatever ended it: nothing of the worker is left without its parent.
            await client.wait_closed()
        while not (transport.ended and self._all_ended(handlers)):
            await self._let(peer.look, peer)
        await client.shutdown()
        while handlers.children:
            await asyncio.wait(handlers.children)
        # What has been scheduled by what came last.
        for _ in range(10):
            await asyncio.sleep(0)
        assert connection.pending == 0
        assert not client.connected
        peer.verify(complete=complete)
        verify_counts(client.stats())

    async def _end(
        self, client: Client, peer: Peer, handlers: Handlers, transport: MemoryTransport
    ) -> bool:
        """Begin the end; returns whether all that is due must arrive."""
        loop = self._loop
        if self._ending == "shutdown at once":
            closing = loop.create_task(client.shutdown())
            while not closing.done():
                await self._let(peer.look, peer)
            return False
        if self._ending == "nonsense" or (
            self._ending == "duplicate" and not peer.send_duplicate()
        ):
            peer.send_nonsense()
        elif self._ending == "duplicate":
            pass
        elif self._ending == "loss":
            await self._let(lambda: transport.lose(ConnectionResetError("reset")), peer)
        elif self._ending == "early eof":
            await self._let(lambda: transport.lose(None), peer)
        else:
            await self._settle(peer, handlers, transport)
            if self._ending == "shutdown":
                await client.shutdown()
            else:
                await self._let(lambda: transport.lose(None), peer)
            return True
        while not transport.ended:
            await self._let(peer.look, peer)
        return False

    async def _settle(self, peer: Peer, handlers: Handlers, transport: MemoryTransport) -> None:
        """Wait until the parent has what is due to it."""
        quiet = 0
        while quiet < 20:
            await self._let(peer.look, peer)
            idle = transport.idle and self._all_ended(handlers)
            quiet = quiet + 1 if idle else 0

    async def _let(self, action: Callable[[], None], peer: Peer) -> None:
        """Do it as the loop does what a socket is ready for: outside of any task."""
        assert self._loop.turn < TURNS, "it does not end"
        done = self._loop.create_future()

        def act() -> None:
            try:
                action()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        self._loop.call_later(peer.pause(), act)
        await done

    def _all_ended(self, handlers: Handlers) -> bool:
        return all(request.ended for request in handlers.requests if request.started)
