"""Children that this process forks: a worker that they kept open would outlive its parent."""

from __future__ import annotations

import asyncio

from procwire import stdio

__all__ = ["sever"]


def sever(transport: asyncio.BaseTransport | None) -> None:
    """In a forked child: what the transport stands for is the parent's alone."""
    # One that is closing may have a number that is another's by now.
    if transport is None or transport.is_closing():
        return
    # asyncio has the one of pipes, uvloop the other.
    found = transport.get_extra_info("pipe") or transport.get_extra_info("socket")
    if found is not None:
        stdio.sever(found.fileno())
