"""The benchmark's worker with an annotation, so that each payload is checked against a type."""

from __future__ import annotations

import sys
from typing import TypedDict

# Without it such an annotation is not enforced, and nothing would be measured.
import msgspec  # noqa: F401

from procwire import Client

client = Client()


class Message(TypedDict):
    n: int
    s: str


@client.handle
async def echo_msgpack_typed(data: Message) -> Message:
    # The same answer as without a type: what differs is how it was decoded.
    return data


if __name__ == "__main__":
    client.run(loop=sys.argv[2] if sys.argv[1:2] == ["--loop"] else "asyncio")
