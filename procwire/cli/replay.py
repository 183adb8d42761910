"""``procwire replay``: the requests of a recording, sent to the code as it is now.

A request is sent when all answers and events have come that the recording has before it, so that
what ran side by side does so again, and what waited for something else waits again. Nothing is
waited for that the recording has not, and no event when nothing runs any more that could emit it.

Events belong to no request: what was emitted is compared name by name, in whatever order.
"""

from __future__ import annotations

import asyncio
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from procwire import logs
from procwire.cli.arguments import seconds
from procwire.cli.comparing import same, unmatched
from procwire.cli.errors import CommandError
from procwire.cli.output import Output, Progress
from procwire.cli.target import add_target, load
from procwire.cli.values import to_json
from procwire.client import Client
from procwire.codecs import Codec, MsgpackCodec
from procwire.errors import ProcwireError, RemoteError
from procwire.recording import RecordedFrame, Recording, RecordingError
from procwire.testing import LeftBehindError, TestParent
from procwire.wire import RECORD_VARIABLE, frame_kind

__all__ = ["add_arguments", "execute"]

DEFAULT_TIMEOUT = 30.0
SHOWN = 200
"""Characters of a value that are shown."""
ERROR_CODEC = MsgpackCodec(ints="allow")
"""That of errors, for what has been decoded already."""

Answer = tuple[str, bytes]
"""``chunk``, ``end``, ``error``, or ``answer`` for a result and an ack; and the payload."""


def add_arguments(parser: ArgumentParser) -> None:
    """What ``replay`` takes."""
    parser.add_argument("recording", metavar="FILE", help="what PROCWIRE_RECORD has written")
    add_target(parser)
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="NAME",
        help="take any answer of the method, or any events of that name; may be repeated",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help=f"how long an answer or an event is waited for (default: {DEFAULT_TIMEOUT:g})",
    )


def execute(options: Namespace) -> int:
    """Replay it, print each difference; fails when there is one."""
    output = Output()
    logs.speak_up()
    # Whoever has just recorded may have it still: the file that is read must not be written.
    os.environ.pop(RECORD_VARIABLE, None)
    try:
        recording = Recording(options.recording)
    except RecordingError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"{options.recording} cannot be read: {error.strerror}") from None
    client = load(options.target)
    replay = Replay(client, recording, set(options.ignore), options.timeout, output.line)
    try:
        asyncio.run(replay.run())
    except ProcwireError as error:
        raise CommandError(str(error)) from None
    output.line(replay.summary())
    return 1 if replay.differences else 0


@dataclass
class Request:
    """A request of the recording, and what it is answered with, then and now."""

    number: int
    method: str
    payload: bytes
    recorded: list[Answer] = field(default_factory=list)
    given: list[Answer] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def give(self, kind: str, payload: bytes) -> None:
        """An answer has come now."""
        self.given.append((kind, payload))
        self.changed.set()


@dataclass
class Events:
    """The payloads of all events of a name, then and now."""

    recorded: list[bytes] = field(default_factory=list)
    given: list[bytes] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    # Whether it is in vain to wait for those that are missing.
    late: bool = False

    def give(self, payload: bytes) -> None:
        """One has come now."""
        self.given.append(payload)
        self.changed.set()


class Replay:
    """Sends the requests of a recording to a client in this process.

    Args:
        client: The client, not started.
        recording: What is to be sent.
        ignored: Methods whose answers are not compared, and events that are not.
        timeout: Seconds for which an answer or an event is waited for.
        show: Takes the lines that describe differences.

    Attributes:
        requests: How many have been sent.
        differences: How many of those were answered otherwise, or could not be sent; and of how
            many names there are other events.
    """

    def __init__(
        self,
        client: Client,
        recording: Recording,
        ignored: set[str],
        timeout: float,
        show: Callable[[str], None],
    ) -> None:
        self._client = client
        self._recording = recording
        self._ignored = ignored
        self._timeout = timeout
        self._show = show
        self._names = {method["id"]: name for name, method in recording.schema["methods"].items()}
        self._event_names = {
            event["id"]: name for name, event in recording.schema["events"].items()
        }
        self._events: dict[str, Events] = {}
        # How far a request comes before it is given up is a matter of time: then there may be
        # more events than the recording has.
        self._given_up = False
        # Those that the recording has an answer for, or may have, by id.
        self._open: dict[int, Request] = {}
        self.requests = 0
        self.differences = 0

    def summary(self) -> str:
        """What there was, in a line."""
        events = sum(len(events.recorded) for events in self._events.values())
        counted = f"{self.requests} requests" + (f", {events} events" if events else "")
        return f"{counted}, {self.differences} differences"

    async def run(self) -> None:
        """Send them all, in the order of the recording."""
        progress = Progress()
        parent = TestParent(self._client, request_timeout=0, codec="raw")
        for name in self._client._events:
            self._events[name] = Events()
            parent.on_event(name, self._events[name].give)
        try:
            async with parent:
                for frame in self._recording:
                    await self._take(parent, frame)
                    progress.show(f"{self.requests} requests, {self.differences} differences")
                for request in list(self._open.values()):
                    await self._leave(request)
                if not self._given_up:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._timeout):
                            await self._all_quiet(parent)
                for name, events in self._events.items():
                    self._compare_events(name, events)
        except LeftBehindError:
            # As at the end of the recording: what was under way has been left to itself.
            pass
        finally:
            progress.clear()

    async def _take(self, parent: TestParent, frame: RecordedFrame) -> None:
        kind = frame_kind(frame.to_parent, frame.method_id, frame.flags)
        if kind == "request":
            await self._send(parent, frame)
        elif kind == "abort":
            if (request := self._open.pop(frame.request_id, None)) is not None:
                await self._leave(request)
        elif kind == "event":
            name = self._event_names.get(frame.method_id, f"?{frame.method_id}")
            events = self._events.setdefault(name, Events())
            events.recorded.append(frame.payload)
            if name in self._client._events and name not in self._ignored:
                await self._until_emitted(parent, events)
        elif (request := self._open.get(frame.request_id)) is not None:
            request.recorded.append(
                ("answer" if kind in ("result", "ack") else kind, frame.payload)
            )
            if kind != "chunk":
                del self._open[frame.request_id]
                await self._finish(request)

    async def _send(self, parent: TestParent, frame: RecordedFrame) -> None:
        self.requests += 1
        method = self._names.get(frame.method_id)
        request = Request(self.requests, method or f"?{frame.method_id}", frame.payload)
        kind = self._recording.schema["methods"][method]["response"] if method else None
        now = None if method is None else self._client._methods.get(method)
        if now is None:
            self._differ(request, "there is no such method")
        elif now.shape.response != kind:
            self._differ(request, f"its response was {kind!r}, and is {now.shape.response!r}")
        else:
            request.task = asyncio.ensure_future(_ask(parent, request, kind))
            if frame.request_id:
                self._open[frame.request_id] = request
            # It is on its way before the next one is.
            await asyncio.sleep(0)

    async def _finish(self, request: Request) -> None:
        """The recording has its end: so must the request."""
        if request.task is None:
            return
        await asyncio.wait([request.task], timeout=self._timeout)
        if not request.task.done():
            await _cancel(request.task)
            self._differ(request, f"no end within {self._timeout:g} s")
        elif (failure := request.task.exception()) is not None:
            self._differ(request, f"{type(failure).__name__}: {failure}")
        else:
            self._compare(request, request.given)

    async def _leave(self, request: Request) -> None:
        """It was given up with what it had got by then."""
        self._given_up = True
        assert request.task is not None
        try:
            async with asyncio.timeout(self._timeout):
                while len(request.given) < len(request.recorded) and not request.task.done():
                    request.changed.clear()
                    changed = asyncio.ensure_future(request.changed.wait())
                    try:
                        await asyncio.wait(
                            [changed, request.task], return_when=asyncio.FIRST_COMPLETED
                        )
                    finally:
                        changed.cancel()
        except TimeoutError:
            pass
        await _cancel(request.task)
        self._compare(request, request.given[: len(request.recorded)])

    async def _until_emitted(self, parent: TestParent, events: Events) -> None:
        """Wait for as many events as the recording has by now, while they may come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                while len(events.given) < len(events.recorded) and not events.late:
                    events.changed.clear()
                    changed = asyncio.ensure_future(events.changed.wait())
                    quiet = asyncio.ensure_future(self._all_quiet(parent))
                    try:
                        await asyncio.wait([changed, quiet], return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        changed.cancel()
                        quiet.cancel()
                    if quiet.done() and not quiet.cancelled():
                        quiet.result()
                        return
                return
        # Once is enough.
        events.late = True

    async def _all_quiet(self, parent: TestParent) -> None:
        """Wait until no handler runs, nor a task that one has made, and all they sent is here."""
        session = self._client._session
        assert session is not None
        assert session.connection is not None
        worker = session.connection
        while True:
            # What has been written is given to the socket a turn of the loop later.
            for _turn in range(2):
                await asyncio.sleep(0)
            sent, received = parent.module.traffic()
            if (sent, received) != worker.traffic()[:2]:
                continue
            if tasks := parent.tasks:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            elif worker.pending:
                await worker.wait_idle(None)
            else:
                return

    # ---- differences -----------------------------------------------------------------------

    def _compare(self, request: Request, given: list[Answer]) -> None:
        if request.method in self._ignored or given == request.recorded:
            return
        codec = self._client._methods[request.method].response_codec
        for index in range(max(len(given), len(request.recorded))):
            then = request.recorded[index] if index < len(request.recorded) else None
            now = given[index] if index < len(given) else None
            if not _same(codec, then, now):
                which = f"chunk {index}: " if len(request.recorded) > 1 else ""
                self._differ(request, f"{which}was {_text(codec, then)}, is {_text(codec, now)}")
                return

    def _compare_events(self, name: str, events: Events) -> None:
        """Compare all of a name."""
        if name in self._ignored:
            return
        if name not in self._client._events:
            self._differ_in_events(name, "there is no such event")
            return
        codec = self._client._events[name]
        missing, new = unmatched(codec, events.recorded, events.given)
        found = []
        if missing:
            first = _value_text(codec, missing[0])
            found.append(f"{len(missing)} of {len(events.recorded)} missing, the first {first}")
        if new and not self._given_up:
            found.append(f"{len(new)} new, the first {_value_text(codec, new[0])}")
        if found:
            self._differ_in_events(name, "; ".join(found))

    def _differ_in_events(self, name: str, text: str) -> None:
        self.differences += 1
        self._show(f"event {name}: {text}")

    def _differ(self, request: Request, text: str) -> None:
        self.differences += 1
        registered = self._client._methods.get(request.method)
        data = "" if registered is None else _value_text(registered.request_codec, request.payload)
        self._show(f"#{request.number} {request.method}({data}): {text}")


async def _ask(parent: TestParent, request: Request, kind: str | None) -> None:
    """Send a request, and keep what is answered."""
    try:
        if kind == "stream":
            async with aclosing(parent.stream(request.method, request.payload)) as chunks:
                async for chunk in chunks:
                    request.give("chunk", chunk)
            request.give("end", b"")
        else:
            request.give("answer", await parent.send(request.method, request.payload))
    except RemoteError as error:
        request.give("error", ERROR_CODEC.encode(error.data))


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _same(codec: Codec, then: Answer | None, now: Answer | None) -> bool:
    if then is None or now is None or then[0] != now[0]:
        return False
    return same(ERROR_CODEC if then[0] == "error" else codec, then[1], now[1])


def _text(codec: Codec, answer: Answer | None) -> str:
    if answer is None:
        return "nothing"
    kind, payload = answer
    if kind == "end":
        return "the end"
    if kind == "error":
        return f"the error {_value_text(ERROR_CODEC, payload)}"
    return _value_text(codec, payload)


def _value_text(codec: Codec, payload: bytes) -> str:
    value: Any
    try:
        value = to_json(codec.decode(payload))
    except Exception:
        value = repr(payload)
    return _shortened(value)


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
