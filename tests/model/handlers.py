"""Handlers of every form that do what their request's program says, and keep account of it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

from procwire import (
    Client,
    CodecError,
    HandlerError,
    NotConnectedError,
    ProtocolError,
    ResponseAlreadySentError,
)

from .loop import ShuffledLoop
from .requests import CHUNK, FAILURE, TERMINAL, TURNS_TO_HEAR, MethodSpec, Request

FUNCTIONS = {
    "coroutine": "coroutine",
    "async generator": "async_generator",
    "inline": "function",
    "inline generator": "generator",
    "thread": "function",
    "thread generator": "generator",
}


class Handlers:
    """The handlers of one client.

    Attributes:
        requests: By serial number, which is what a request carries.
        events: The serial numbers that have been emitted, in order.
    """

    def __init__(self, client: Client, loop: ShuffledLoop, specs: list[MethodSpec]) -> None:
        self.client = client
        self.loop = loop
        self.requests: list[Request] = []
        self.events: list[int] = []
        self.children: set[asyncio.Task[None]] = set()
        client.event("event")
        for spec in specs:
            function = getattr(self, FUNCTIONS[spec.form])
            client.handle(
                spec.name,
                function if spec.takes_context else functools.partial(function, ctx=None),
                response=spec.kind,  # type: ignore[call-overload]
                sync_to_thread=spec.in_thread,
            )

    def item(self, request: Request, size: int) -> tuple[int, list[Any]]:
        """A chunk that says where it belongs."""
        number = sum(flags == CHUNK for flags, _ in request.expected)
        return CHUNK, [request.serial, number, bytes(size)]

    # ---- the forms -----------------------------------------------------------------------------

    async def coroutine(self, data: Any, ctx: Any) -> Any:
        request = self._begin(data, ctx)
        try:
            try:
                for step in request.program.steps:
                    await self._step(request, ctx, step)
            except asyncio.CancelledError:
                self._hear(request)
                if not request.program.stubborn:
                    raise
            finally:
                await self._clean_up(request, ctx)
            if request.program.ending == "cancel itself" and not request.aborted:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    if request.aborted:
                        self._hear(request)
                    request.settle(FAILURE[request.spec.kind])
                    raise
            return self._end(request)
        finally:
            self._ended(request)

    async def async_generator(self, data: Any, ctx: Any) -> AsyncIterator[Any]:
        request = self._begin(data, ctx)
        failing = False
        try:
            try:
                for step in request.program.steps:
                    if step[0] == "chunk":
                        chunk = self._yielding(request, step)
                        yield chunk[1]
                        self._yielded(request, chunk)
                    elif step[0] == "unsendable":
                        failing = True
                        yield object()
                    else:
                        await self._step(request, ctx, step)
            except GeneratorExit:
                self._closed(request, failing)
                raise
            except asyncio.CancelledError:
                self._hear(request)
                if not request.program.stubborn:
                    raise
            finally:
                await self._clean_up(request, ctx)
            self._end(request)
        finally:
            if failing:
                self._failed_to_send(request)
            self._ended(request)

    def function(self, data: Any, ctx: Any) -> Any:
        request = self._begin(data, ctx)
        try:
            return self._end(request)
        finally:
            self._ended(request)

    def generator(self, data: Any, ctx: Any) -> Iterator[Any]:
        request = self._begin(data, ctx)
        failing = False
        try:
            for step in request.program.steps:
                if step[0] == "chunk":
                    chunk = self._yielding(request, step)
                    yield chunk[1]
                    self._yielded(request, chunk)
                elif step[0] == "unsendable":
                    failing = True
                    yield object()
                    # In a thread it is ahead of what is sent.
                    assert request.spec.in_thread
                    return
            self._end(request)
        except GeneratorExit:
            self._closed(request, failing)
            raise
        finally:
            if failing:
                self._failed_to_send(request)
            self._ended(request)

    # ---- what they have in common --------------------------------------------------------------

    def _begin(self, data: Any, ctx: Any) -> Request:
        request = self.requests[data[0]]
        assert not request.started, "a handler was called twice"
        assert not request.abort_read, "a handler was called for a request that had been aborted"
        request.started = True
        if ctx is not None:
            assert (ctx.request_id, ctx.method) == (request.request_id, request.spec.name)
            ctx.on_abort(lambda: self._called_back(request))
        return request

    def _called_back(self, request: Request) -> None:
        request.callbacks += 1
        request.aborted_in = self.loop.turn

    def _hear(self, request: Request) -> None:
        """The handler has been cancelled or closed."""
        if request.heard_in is None:
            request.heard_in = self.loop.turn
            if request.aborted_in is not None:
                turns = self.loop.turn - request.aborted_in
                assert turns <= TURNS_TO_HEAR, f"heard of the abort {turns} turns later"

    def _ended(self, request: Request) -> None:
        request.ended = True
        if request.spec.form in ("coroutine", "async generator") and request.abort_read:
            assert request.heard_in is not None or request.settled, (
                "ended without having heard of the abort"
            )

    def _end(self, request: Request) -> Any:
        """Return or raise what the program says; the request has its end then."""
        kind, ending = request.spec.kind, request.program.ending
        streams = kind == "stream"
        if ending == "raise":
            request.settle(FAILURE[kind])
            raise ValueError("raised")
        if ending == "refuse":
            request.settle(FAILURE[kind])
            raise HandlerError("refused", code="E", serial=request.serial)
        if ending == "exit":
            request.settle(FAILURE[kind])
            raise SystemExit(3)
        if ending == "unsendable" and not streams:
            request.settle(FAILURE[kind] if kind != "none" else 0)
            return object()
        value = [request.serial, "value"] if ending == "value" and not streams else None
        request.settle(TERMINAL[kind], value)
        return value

    async def _clean_up(self, request: Request, ctx: Any) -> None:
        try:
            await self._wait(request.program.cleanup)
            if ctx is not None and request.aborted_in is not None:
                try:
                    await ctx.error("too late")
                except ResponseAlreadySentError:
                    pass
                else:
                    raise AssertionError("an answer to an aborted request was not refused")
        except asyncio.CancelledError:
            self._hear(request)
            raise

    # ---- generators ----------------------------------------------------------------------------

    def _yielding(self, request: Request, step: tuple[Any, ...]) -> tuple[int, Any]:
        chunk = self.item(request, step[1])
        if not request.settled and not request.aborted and request.request_id:
            request.possible = chunk
        return chunk

    def _yielded(self, request: Request, chunk: tuple[int, Any]) -> None:
        """Asked for the next chunk, so this one has been sent."""
        assert not request.settled, "asked for more after the end of the request"
        request.possible = None
        request.expect(*chunk)

    def _closed(self, request: Request, failing: bool) -> None:
        """Closed at a yield: because of an abort, if there is no other reason."""
        if not request.settled and not failing:
            self._hear(request)

    def _failed_to_send(self, request: Request) -> None:
        """What has been yielded cannot be sent: an error follows, unless an abort came first.

        Of the abort a generator without a context that is being closed does not hear.
        """
        if not request.settled and not request.aborted and request.request_id:
            request.settled = True
            request.possible = FAILURE["stream"], None

    # ---- steps ---------------------------------------------------------------------------------

    async def _step(self, request: Request, ctx: Any, step: tuple[Any, ...]) -> None:
        if step[0] in ("turns", "sleep"):
            await self._wait(step)
        elif step[0] == "spawn":
            child = self.loop.create_task(self._wait(("turns", step[1])))
            self.children.add(child)
            child.add_done_callback(self.children.discard)
            if step[1] % 2:
                await child
        elif step[0] == "timeout":
            try:
                async with asyncio.timeout(step[1]):
                    await asyncio.sleep(0.1)
            except TimeoutError:
                pass
        elif step[0] == "wait_aborted":
            try:
                async with asyncio.timeout(step[1]):
                    await ctx.wait_aborted()
            except TimeoutError:
                pass
        elif step[0] == "emit":
            await self._emit(request)
        else:
            await self._answer(request, ctx, step)

    async def _wait(self, step: tuple[Any, ...]) -> None:
        if step[0] == "turns":
            for _ in range(step[1]):
                await asyncio.sleep(0)
        else:
            await asyncio.sleep(step[1])

    async def _emit(self, request: Request) -> None:
        try:
            await self.client.emit("event", request.serial)
        except NotConnectedError:
            return
        self.events.append(request.serial)

    async def _answer(self, request: Request, ctx: Any, step: tuple[Any, ...]) -> None:
        kind, serial = request.spec.kind, request.serial
        verb = {"result": "respond", "ack": "ack", "stream": "end", "none": "error"}[kind]
        arguments = [] if verb == "end" else [[serial, "early"]]
        frame = TERMINAL[kind], arguments[0] if arguments else None
        fails: type[Exception] | None = None
        if step[0] == "chunk":
            frame = self.item(request, step[1])
            verb, arguments = "chunk", [frame[1]]
        elif step[0] == "wrong":
            verb, arguments = ("chunk" if kind != "stream" else "respond"), [1]
            fails = ProtocolError
        elif step[0] == "unsendable" and kind != "none":
            verb, arguments = ("chunk" if kind == "stream" else verb), [object()]
            # Nothing is encoded that nobody gets.
            fails = CodecError if request.request_id else None
        elif step[0] == "error" or kind == "none":
            verb, arguments, frame = "error", ["failed"], (FAILURE[kind], None)
        try:
            await getattr(ctx, verb)(*arguments)
        except ResponseAlreadySentError:
            assert request.settled or request.aborted, "refused before the end"
        except (CodecError, ProtocolError) as error:
            if fails is None or not isinstance(error, fails):
                raise AssertionError(f"{verb}() is refused") from error
        else:
            assert fails is None, f"{fails} was not raised"
            if verb == "chunk":
                request.expect(*frame)
            else:
                request.settle(*frame)
