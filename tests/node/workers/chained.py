"""A worker without decorators."""

import os
from collections.abc import AsyncIterator
from typing import Any

from procwire import Client


async def double(data: int) -> int:
    return data * 2


async def count(data: int) -> AsyncIterator[int]:
    for number in range(data):
        yield number


async def accept(data: Any) -> Any:
    return data


async def forget(data: Any) -> None:
    await client.emit("forgotten", data)


client = (
    Client()
    .handle("double", double)
    .handle_stream("count", count)
    .handle_ack("accept", accept)
    .handle("forget", forget, response="none")
    .event("forgotten")
)

if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
