"""A connection that ends while the transport is in the middle of something."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from procwire import Client
from procwire._core import pack_header
from procwire.session import WorkerProtocol

from ..inprocess import connect, serve
from ..loops import loop_factory

PAYLOAD = bytes(4 * 1024 * 1024)


def run(loop_name: str, main: Coroutine[Any, Any, None]) -> list[Any]:
    """What the loop had to report."""
    reported: list[Any] = []
    with asyncio.Runner(loop_factory=loop_factory(loop_name)) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: reported.append(context))
        runner.run(main)
    return reported


def test_the_peer_leaves_when_it_has_taken_what_the_transport_held(
    loop_name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The transport reports the end once, although the next write fails where it says `go on`."""
    ours, theirs = socket.socketpair()
    resumed = asyncio.Event()
    resume_writing = WorkerProtocol.resume_writing

    def leave_first(protocol: WorkerProtocol) -> None:
        ours.close()
        resumed.set()
        resume_writing(protocol)

    async def main() -> None:
        client = Client(default_codec="raw")

        @client.handle
        async def echo(data: bytes) -> bytes:
            return PAYLOAD

        await connect(await serve(client), theirs)
        loop = asyncio.get_running_loop()
        ours.setblocking(False)
        await loop.sock_sendall(ours, pack_header(1, 0, 1, 0))
        await asyncio.wait_for(loop.sock_recv(ours, 11), 20)
        monkeypatch.setattr(WorkerProtocol, "resume_writing", leave_first)
        while not resumed.is_set():
            with suppress(BlockingIOError):
                ours.recv(1 << 20)
            await asyncio.sleep(0)
        await asyncio.wait_for(client.wait_closed(), 20)

    assert run(loop_name, main()) == []
    assert not caplog.records
