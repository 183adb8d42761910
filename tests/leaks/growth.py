"""How much memory a path keeps."""

from __future__ import annotations

import gc
import itertools
import os
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

TURNS = int(os.environ.get("PROCWIRE_LEAK_TURNS", "100"))
"""Turns of a path in a round."""
ROUNDS = 3
"""Rounds that are compared, behind one that warms up."""

# What is no leak: tables that grow now and then, caches that fill.
NOISE_BLOCKS = 0.9
"""Blocks per turn."""
NOISE_BYTES = 4000
"""Bytes per round."""


@dataclass(frozen=True)
class Growth:
    """What a round keeps, at least: a leak shows in every round, anything else does not."""

    turns: int
    blocks: int
    size: int
    kept: tuple[str, ...] = ()
    """Where the most of what is there now was made, if there is a leak."""

    @property
    def leaks(self) -> bool:
        return self.blocks > NOISE_BLOCKS * self.turns or self.size > NOISE_BYTES


async def _nothing_to_wait_for() -> None:
    pass


async def measure(
    path: Callable[[int], Awaitable[None]],
    *,
    turns: int = TURNS,
    batch: int = 25,
    settle: Callable[[], Awaitable[None]] = _nothing_to_wait_for,
) -> Growth:
    """Run a path again and again; `path(count)` does as many turns of it.

    `turns` are those of a round, `batch` those that are done at once: requests come in one packet,
    and their handlers overlap. `settle` waits for what may still be under way then.

    Blocks are those of Python's own allocator, which larger objects do not come from: bytes are
    counted as well.
    """
    counts = []
    # One frame: a traceback of each allocation would take most of the time.
    tracemalloc.start(1)
    try:
        for _ in range(ROUNDS + 1):
            for _ in range(turns // batch):
                await path(batch)
            await settle()
            gc.collect()
            counts.append((sys.getallocatedblocks(), tracemalloc.get_traced_memory()[0]))
        # The first round warms up.
        pairs = list(itertools.pairwise(counts[1:]))
        growth = Growth(
            turns,
            min(after[0] - before[0] for before, after in pairs),
            min(after[1] - before[1] for before, after in pairs),
        )
        if growth.leaks:
            kept = tracemalloc.take_snapshot().statistics("lineno")
            most = sorted(kept, key=lambda line: line.count, reverse=True)
            growth = replace(growth, kept=tuple(map(str, most[:10])))
        return growth
    finally:
        tracemalloc.stop()
