"""``procwire call``: call a method once, in this very process."""

from __future__ import annotations

import asyncio
import functools
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from procwire import logs
from procwire.cli.arguments import check_method, seconds
from procwire.cli.errors import CommandError
from procwire.cli.output import Output, Progress, note
from procwire.cli.target import add_target, load
from procwire.cli.values import add_data, fit, read_data, to_json
from procwire.client import Client
from procwire.errors import ProcwireError, RemoteError
from procwire.testing import LeftBehindError, TestParent

__all__ = ["add_arguments", "execute"]


def add_arguments(parser: ArgumentParser) -> None:
    """What ``call`` takes."""
    add_target(parser)
    parser.add_argument("method", metavar="METHOD", help="the method's name")
    add_data(parser)
    parser.add_argument(
        "--raw",
        action="store_true",
        help="DATA is the payload as it is, and so is what is printed, whatever the codec",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="give up after so long (default: as the method says)",
    )


def execute(options: Namespace) -> int:
    """Call it, print what it answers, chunk by chunk."""
    output = Output()
    logs.speak_up()
    data = read_data(options, raw=options.raw)
    client = load(options.target)
    check_method(client, options.method)
    data = fit(data, client._methods[options.method].request_codec)
    try:
        asyncio.run(_call(client, options, data, output))
    except RemoteError as error:
        # The handler's traceback is in the log, which this process has on standard error.
        details = f" {to_json(error.data)}" if isinstance(error.data, dict) else ""
        raise CommandError(f"{options.method!r} has failed: {error}{details}") from None
    except ProcwireError as error:
        raise CommandError(str(error)) from None
    return 0


async def _call(client: Client, options: Namespace, data: Any, output: Output) -> None:
    show: Callable[[Any], None]
    if options.raw:
        show = output.write
    else:

        def show(value: Any) -> None:
            output.line(to_json(value))

    parent = TestParent(client, request_timeout=0, codec="raw" if options.raw else None)
    limit = asyncio.timeout(options.timeout)
    try:
        async with limit, parent:
            for event in client._events:
                parent.on_event(event, functools.partial(_show_event, event))
            began = time.perf_counter()
            kind = client._methods[options.method].shape.response
            if kind == "stream":
                said = await _stream(parent, options.method, data, show)
            else:
                answer = await parent.send(options.method, data)
                said = {"result": "answered", "ack": "acknowledged", "none": "sent"}[kind]
                if kind != "none":
                    show(answer)
            note(f"{said} after {_duration(time.perf_counter() - began)}")
            await _handled(client, options.method)
            _check_outcome(client, options.method)
    except LeftBehindError as error:
        if error.failures:
            # As a worker of its own would end. The tracebacks are in the log.
            raise CommandError(str(error)) from None
        note(f"procwire call: {error}")
    except TimeoutError:
        if not limit.expired():
            # That of the method, or one of a start-up hook's own.
            raise
        raise CommandError(
            f"{options.method!r} has not answered within {options.timeout:g} s"
        ) from None


async def _handled(client: Client, method: str) -> None:
    """Wait for the handler's end: behind an ack, and without an answer, it goes on."""
    # Without an answer, nobody says that the request has been read.
    while not client.stats().methods[method].requests:  # noqa: ASYNC110
        await asyncio.sleep(0)
    session = client._session
    if session is not None and session.connection is not None:
        await session.connection.wait_idle(None)


def _check_outcome(client: Client, method: str) -> None:
    """Whether the handler has failed where the caller is told nothing of it.

    Raises:
        CommandError: it has; the reason is in the log.
    """
    session = client._session
    assert session is not None
    (counted,) = (one for one in session.methods if one.name == method)
    if counted.failed_after_answer:
        raise CommandError(f"{method!r} has failed after its answer")
    if not counted.succeeded:
        raise CommandError(f"{method!r} has failed")


async def _stream(parent: TestParent, method: str, data: Any, show: Callable[[Any], None]) -> str:
    progress, began, count = Progress(), time.perf_counter(), 0
    try:
        async with aclosing(parent.stream(method, data)) as chunks:
            async for chunk in chunks:
                progress.clear()
                show(chunk)
                count += 1
                progress.show(f"{count} chunks, {_duration(time.perf_counter() - began)}")
    finally:
        progress.clear()
    return f"{count} chunks, ended"


def _show_event(name: str, data: Any) -> None:
    note(f"event {name} {to_json(data)}")


def _duration(passed: float) -> str:
    return f"{passed * 1000:.1f} ms" if passed < 1 else f"{passed:.1f} s"
