"""Fails the n-th allocation of a path, for each n up to a limit; run by test_nomemory.py.

Prints each n before it is tried, so that a crash tells where it came from.
"""

from __future__ import annotations

import _testcapi
import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from procwire import Client, MsgpackCodec
from procwire._core import FrameReader, pack_header

# Behind the package itself, which may be another one than the tree's.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.inprocess import serve
from tests.model.transport import MemoryTransport

LIMIT = 200
VALUE = {"list": list(range(50)), "text": "x" * 300, "bytes": bytes(600), "deep": [[[{"a": 1.5}]]]}


class Always:
    """A transport's dice: the socket takes nothing at once."""

    def random(self) -> float:
        return 1.0


def reader() -> Callable[[], Any]:
    data = pack_header(1, 0, 1, 100) + bytes(100) + pack_header(1, 0, 2, 90_000) + bytes(90_000)
    made = FrameReader()
    return lambda: made.feed(data)


def encode() -> Callable[[], Any]:
    codec = MsgpackCodec()
    return lambda: codec.encode(VALUE)


def decode() -> Callable[[], Any]:
    codec = MsgpackCodec()
    payload = codec.encode(VALUE)
    return lambda: codec.decode(payload)


def connection(*payloads: bytes) -> Callable[[], Any]:
    """Requests to a handler on the loop: read, decoded, dispatched, answered, written."""
    loop = asyncio.new_event_loop()
    client = Client().handle("echo", lambda data: data, sync_to_thread=False)
    factory = loop.run_until_complete(serve(client))
    transport = MemoryTransport(loop, Always(), weight=1, high=1 << 20)  # type: ignore[arg-type]
    protocol = factory()
    transport.start(protocol)
    for number, payload in enumerate(payloads, 1):
        transport.give(pack_header(1, 0, number, len(payload)) + payload)
    return lambda: transport.deliver(1 << 20)


def answers() -> Callable[[], Any]:
    return connection(MsgpackCodec().encode(VALUE), b"\xa1a")


def errors() -> Callable[[], Any]:
    return connection(b"\xc1", b"\x91" * 600)


PATHS = {path.__name__: path for path in (reader, encode, decode, answers, errors)}


def main(name: str) -> None:
    logging.disable()
    failed = 0
    for number in range(LIMIT):
        print(number, flush=True)
        # What is made before is not what fails.
        run = PATHS[name]()
        with suppress(MemoryError):
            _testcapi.set_nomemory(number, number + 1)
            try:
                run()
            except MemoryError:
                failed += 1
            finally:
                _testcapi.remove_mem_hooks()
    print(f"failed {failed}")


if __name__ == "__main__":
    main(sys.argv[1])
