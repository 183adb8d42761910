"""Streams: a handler that yields, at the pace of whoever reads."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import TypedDict

from procwire import Client

client = Client()


class Search(TypedDict):
    path: str
    text: str


@client.handle
def search(query: Search) -> Iterator[dict[str, object]]:
    """The lines of a file that contain a text.

    A plain generator runs in a thread: it may block, on a disk for instance.
    """
    with open(query["path"], encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if query["text"] in line:
                yield {"line": number, "text": line.strip()}


class Noise(TypedDict):
    size: int


blocks_made: asyncio.Queue[int] = asyncio.Queue()


@client.handle(response_codec="raw")
async def noise(options: Noise) -> AsyncIterator[bytes]:
    """Random bytes without end.

    A ``yield`` waits while the parent does not read, so memory stays flat however slow it is.
    An abort ends the generator where it stands: clean up in ``finally``.
    """
    made = 0
    try:
        while True:
            block = os.urandom(options["size"])
            made += 1
            yield block
    finally:
        blocks_made.put_nowait(made)


@client.handle
async def noise_report(_: None) -> int:
    """How many blocks a stream had made when it ended; waits for one to end."""
    return await blocks_made.get()


if __name__ == "__main__":
    client.run()
