"""The benchmark's worker on this package, as its README writes one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

from procwire import Client

TEXT = "x" * 1000

client = Client()


@client.handle("echo_raw", codec="raw")
async def echo_raw(data: bytes) -> bytes:
    return data


@client.handle("echo_raw_inline", codec="raw", sync_to_thread=False)
def echo_raw_inline(data: bytes) -> bytes:
    return data


@client.handle("echo_raw_suspend", codec="raw")
async def echo_raw_suspend(data: bytes) -> bytes:
    # What a handler costs that really waits: its first step cannot answer.
    await asyncio.sleep(0)
    return data


@client.handle("echo_msgpack")
async def echo_msgpack(data: Any) -> Any:
    return data


@client.handle("echo_msgpack_inline", sync_to_thread=False)
def echo_msgpack_inline(data: Any) -> Any:
    return data


@client.handle("stream_msgpack", response="stream")
async def stream_msgpack(data: Any) -> AsyncIterator[dict[str, Any]]:
    for i in range(data["count"]):
        yield {"i": i, "s": TEXT}


@client.handle("stream_raw", response="stream", request_codec="msgpack", response_codec="raw")
async def stream_raw(data: Any) -> AsyncIterator[bytes]:
    body = b"x" * (data["size"] - 4)
    for i in range(data["count"]):
        yield i.to_bytes(4, "big") + body


if __name__ == "__main__":
    # No argparse: its memory would be counted as the package's.
    client.run(loop=sys.argv[2] if sys.argv[1:2] == ["--loop"] else "asyncio")
