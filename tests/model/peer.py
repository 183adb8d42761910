"""The parent's side of a program: what it sends and when, and whether the answers are right."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

import msgpack

from .handlers import Handlers
from .loop import ShuffledLoop
from .requests import CHUNK, ERROR, STREAM_ERROR, MethodSpec, Program, Request, make_program
from .transport import MemoryTransport

HEADER = struct.Struct(">HBII")
ABORT = 0xFFFF
EVENT = 0x01
UNKNOWN_METHOD = 0x1234
SLOWEST = 0.3
"""Seconds between two looks at the socket, at most: a closing worker gives a second."""


def frame(method: int, request_id: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return HEADER.pack(method, flags, request_id, len(payload)) + payload


class Peer:
    """Sends requests and aborts, in pieces and at moments that the seed chooses."""

    def __init__(
        self,
        random: Random,
        loop: ShuffledLoop,
        handlers: Handlers,
        transport: MemoryTransport,
        specs: list[MethodSpec],
    ) -> None:
        self._random = random
        self._loop = loop
        self._handlers = handlers
        self._transport = transport
        self._specs = specs
        self._sent = 0
        self._next_id = 1
        # Aborts on their way: where the frame ends in the stream of bytes, and its request.
        self._aborts: list[tuple[int, Request]] = []
        self._unknown: list[int] = []
        self._parsed = 0
        self.received: dict[int, list[tuple[int, Any]]] = {}
        self.events: list[int] = []
        self._current: dict[int, Request] = {}
        self._free_ids: list[int] = []

    # ---- what it does --------------------------------------------------------------------------

    def act(self) -> None:
        """One random thing."""
        self.look()
        for _ in range(self._random.choice((1, 1, 2, 4))):
            if self._random.random() < 0.6:
                self.request()
            if self._random.random() < 0.4:
                self.abort()
            if self._random.random() < 0.05:
                request_id = self._new_id()
                self._give(frame(UNKNOWN_METHOD, request_id))
                self._unknown.append(request_id)

    def look(self) -> None:
        """One look at the socket: bytes go either way, or do not."""
        if self._random.random() < 0.7:
            self._transport.take(self._random.choice((1, 20, 300, 100_000)))
        if self._random.random() < 0.7:
            self._transport.deliver(self._random.choice((1, 7, 11, 40, 200, 100_000)))
        self._check_aborts()
        self._read()

    def pause(self) -> float:
        """Seconds until it looks again."""
        return self._random.choice((0.0, 0.0, 0.0, 0.01, SLOWEST * self._random.random()))

    def request(self) -> None:
        spec = self._random.choice(self._specs)
        silent = spec.kind == "none" or self._random.random() < 0.05
        request_id = 0 if silent else self._new_id()
        request = self._request(spec, request_id, make_program(self._random, spec))
        if self._random.random() < 0.1:
            # In the same packet.
            self.abort(request)

    def _request(self, spec: MethodSpec, request_id: int, program: Program) -> Request:
        requests = self._handlers.requests
        request = Request(len(requests), spec, request_id, program)
        requests.append(request)
        if request_id:
            self._current[request_id] = request
        filler = bytes(70_000 if self._random.random() < 0.01 else self._random.randrange(20))
        payload = msgpack.packb([request.serial, filler])
        self._give(frame(1 + self._specs.index(spec), request_id, payload))
        return request

    def abort(self, request: Request | None = None) -> None:
        """Abort one that may be waiting, under way, answered, aborted, or unknown."""
        requests = self._handlers.requests
        if request is None and requests:
            request = self._random.choice(requests[-8:])
        if request is None or self._random.random() < 0.1:
            self._give(frame(ABORT, self._random.randrange(1 << 32 - 1, 1 << 32)))
        elif self._current.get(request.request_id) is request:
            request.abort_sent = True
            self._give(frame(ABORT, request.request_id))
            self._aborts.append((self._sent, request))

    def send_duplicate(self) -> bool:
        """A second request under an id that is in flight, which is not allowed."""
        for spec in self._specs:
            if spec.form == "coroutine" and spec.kind != "none":
                program = Program((("sleep", 3600),), "value", False, ("turns", 0))
                request = self._request(spec, self._new_id(), program)
                self._give(frame(1, request.request_id, b"\xc0"))
                return True
        return False

    def send_nonsense(self) -> None:
        method, flags = self._random.choice(((0, 0), (1, 0x40), (1, 0x80)))
        self._give(frame(method, 1, b"", flags))

    def _new_id(self) -> int:
        if self._free_ids and self._random.random() < 0.5:
            return self._free_ids.pop()
        self._next_id += 1
        return self._next_id - 1

    def _give(self, data: bytes) -> None:
        self._transport.give(data)
        self._sent += len(data)

    # ---- what it sees --------------------------------------------------------------------------

    def _check_aborts(self) -> None:
        """What has been read has been obeyed, in the same turn of the loop."""
        if not self._transport.reading or self._transport.is_closing():
            return
        read = self._sent - self._transport.left
        while self._aborts and self._aborts[0][0] <= read:
            _, request = self._aborts.pop(0)
            if request.settled or request.ended or request.spec.form == "thread generator":
                continue
            request.abort_read = True
            if request.started and request.spec.takes_context:
                assert request.aborted_in is not None, "the abort was read, and nobody was told"

    def _read(self) -> None:
        taken = self._transport.taken
        while len(taken) >= self._parsed + HEADER.size:
            method, flags, request_id, length = HEADER.unpack_from(taken, self._parsed)
            end = self._parsed + HEADER.size + length
            if len(taken) < end:
                return
            payload = bytes(taken[self._parsed + HEADER.size : end])
            self._parsed = end
            value = msgpack.unpackb(payload) if payload else None
            if flags == EVENT:
                assert (method, request_id) == (1, 0)
                self.events.append(value)
                continue
            assert request_id != 0, "an answer that nobody has asked for"
            if method == UNKNOWN_METHOD:
                assert flags == ERROR
                self._unknown.remove(request_id)
                continue
            request = self._current[request_id]
            assert method == 1 + self._specs.index(request.spec), f"not its method: {request}"
            self.received.setdefault(request.serial, []).append((flags, value))
            if flags != CHUNK and not request.abort_sent:
                # As a parent does, it forgets the request and may use the id again.
                self._free_ids.append(request_id)

    def verify(self, *, complete: bool) -> None:
        """Whether each request has got what it must; `complete` says that nothing was lost."""
        self._read()
        for request in self._handlers.requests:
            self._verify_one(request, complete)
        expected = self._handlers.events
        assert self.events == expected[: len(self.events)], "events are lost or out of order"
        if complete:
            assert self.events == expected, "events are lost"
            assert not self._unknown, "no error for an unknown method"
            assert self._parsed == len(self._transport.taken), "the last frame is cut"

    def _verify_one(self, request: Request, complete: bool) -> None:
        received = self.received.get(request.serial, [])
        ends = [flags for flags, _ in received if flags != CHUNK]
        assert len(ends) <= 1, f"{len(ends)} ends: {request}"
        assert not ends or received[-1][0] != CHUNK, f"a chunk after the end: {request}"
        assert request.callbacks <= 1, f"told of the abort {request.callbacks} times: {request}"
        assert request.started == request.ended, f"has not ended: {request}"
        expected = [*request.expected]
        uncertain = request.spec.in_thread and request.abort_sent
        if request.possible is not None and len(received) > len(expected):
            expected.append(request.possible)
        got = [
            (flags, None if flags in (ERROR, STREAM_ERROR) else value) for flags, value in received
        ]
        assert got == expected[: len(got)], f"wrong answers: {received} to {request}"
        if complete and not uncertain:
            assert len(got) == len(expected), f"answers are missing: {received} to {request}"
            assert request.started or request.abort_sent, f"was not begun: {request}"
