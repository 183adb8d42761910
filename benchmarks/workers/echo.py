"""The worker that the instruction gate counts: one method for each way through the hot path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from procwire import Client

client = Client()


@client.handle("raw", codec="raw")
async def raw(data: bytes) -> bytes:
    return data


@client.handle("raw_inline", codec="raw", sync_to_thread=False)
def raw_inline(data: bytes) -> bytes:
    return data


@client.handle("raw_suspends", codec="raw")
async def raw_suspends(data: bytes) -> bytes:
    await asyncio.sleep(0)
    return data


@client.handle("msgpack")
async def msgpack(data: Any) -> Any:
    return data


@client.handle("stream", request_codec="msgpack", response_codec="raw")
async def stream(data: Any) -> AsyncIterator[bytes]:
    # The load generator checks every chunk: its index, then a filling.
    body = b"x" * (data["size"] - 4)
    for number in range(data["count"]):
        yield number.to_bytes(4, "big") + body


if __name__ == "__main__":
    client.run()
