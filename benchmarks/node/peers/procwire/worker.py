"""The handlers as this package's README writes them; the argument names the event loop."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

from procwire import Client

TEXT = "x" * 1000

client = Client()


@client.handle("echoRaw", codec="raw")
async def echo_raw(data: bytes) -> bytes:
    return data


@client.handle("echoMap")
async def echo_map(data: Any) -> Any:
    return data


@client.handle
async def stream(data: Any) -> AsyncIterator[dict[str, Any]]:
    for i in range(data["count"]):
        yield {"i": i, "s": TEXT}


if __name__ == "__main__":
    client.run(loop=sys.argv[1])
