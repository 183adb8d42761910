"""Events from threads that are not the event loop's."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any

from procwire.errors import NotConnectedError
from procwire.thread_calls import LoopCall

if TYPE_CHECKING:
    from procwire._core import WorkerConnection
    from procwire.codecs import Codec

__all__ = ["emit_from_thread"]


def emit_from_thread(
    connection: WorkerConnection, event_id: int, codec: Codec, data: Any, timeout: float | None
) -> None:
    """Send an event; blocks until it has been handed over.

    Raises:
        RuntimeError: this is the event loop's thread.
        TimeoutError: that has taken too long; the event is not sent any more.
        Exception: as :meth:`Client.emit`.
    """
    if asyncio._get_running_loop() is connection.loop:
        raise RuntimeError("emit_threadsafe() would block the event loop: await client.emit()")
    # Taken by whoever is first, the loop to send the event or the thread to give it up.
    decision = threading.Lock()

    async def send() -> None:
        await connection.wait_writable()
        if decision.acquire(blocking=False):
            await connection.emit(event_id, codec, data)

    sending = LoopCall(send(), connection.loop)
    try:
        if not sending.wait(timeout) and decision.acquire(blocking=False):
            sending.cancel()
            raise TimeoutError(f"the event has not been sent within {timeout:g} s")
        # The loop was first: it sends what it has decided to send.
        sending.wait()
        sending.result()
    except concurrent.futures.CancelledError:
        raise NotConnectedError("the worker has shut down") from None
