"""Waiting for a worker while this process's event loop may stand still."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["happens"]

READING_TURNS = 4
"""Turns of the loop, at most, from bytes in a pipe to whoever waits for what they say."""


async def happens(future: asyncio.Future[Any], seconds: float) -> bool:
    """Whether a future is done within so many seconds, as far as the loop turned in them.

    What was in time is there when the loop goes on, in a debugger for instance, but not read yet.
    And a worker may have been stopped together with this process: it gets the time once more.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    if await _is_done(future, seconds):
        return True
    return await _is_done(future, min(loop.time() - end, seconds))


async def _is_done(future: asyncio.Future[Any], seconds: float) -> bool:
    await asyncio.wait([future], timeout=seconds)
    for _turn in range(READING_TURNS):
        if future.done():
            break
        await asyncio.sleep(0)
    return future.done()
