"""Backpressure: nothing grows without a bound, nothing is dropped, nobody is shut out."""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from ..processes import peak_kib, resident_kib
from .parent import (
    CHUNK,
    EVENT,
    RESULT,
    STREAM_END,
    Parent,
    ends,
    stands_still,
    wait_until,
)

MIB = 1024 * 1024
# The transport's high-water mark, the limit for answers, and what sockets and batches hold.
BOUND_KIB = 26 * 1024


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("flow.py", loop_name) as parent:
        yield parent


def test_a_fast_stream_does_not_shut_requests_out(parent: Parent) -> None:
    for size in (100, 65536, 3 * MIB, 20 * MIB):
        parent.request("stream", 1, [1_000_000, size])
        for number in range(2, 12):
            parent.send_frame("echo", number, b"x")
            while (frame := parent.receive()).request_id != number:
                assert frame.flags == CHUNK
        parent.abort(1)
        parent.send_frame("echo", 12, b"x")
        while parent.receive().request_id != 12:
            pass


def test_a_stream_waits_for_its_parent(parent: Parent) -> None:
    base = resident_kib(parent.pid)
    parent.request("stream", 1, [4096, 65536])
    wait_until(lambda: stands_still(parent), "the stream waits")
    assert resident_kib(parent.pid) - base < BOUND_KIB
    # Now it is read, slowly at first: all of it comes, in order.
    for _ in range(4096):
        frame = parent.receive()
        assert frame.flags == CHUNK
        assert len(frame.payload) == 65536
    assert parent.receive().flags == STREAM_END
    assert peak_kib(parent.pid) - base < BOUND_KIB


@pytest.mark.parametrize("size", [0, 100])
def test_small_events_are_not_kept_in_large_blocks(parent: Parent, size: int) -> None:
    base = resident_kib(parent.pid)
    for _ in range(50):
        parent.request("small_events", 0, [400, size])
    wait_until(lambda: stands_still(parent), "the handlers wait or are done")
    assert resident_kib(parent.pid) - base < BOUND_KIB
    for _ in range(50 * 400):
        assert parent.receive().flags == EVENT


@pytest.mark.parametrize("method", ["thread_chunks", "chunks_of_threads"])
def test_an_abort_frees_each_thread_that_waits_to_send(parent: Parent, method: str) -> None:
    parent.request(method, 1, 100_000)
    wait_until(lambda: stands_still(parent), "all of them wait")
    parent.abort(1)
    # It ends although nobody reads: the worker has nothing to wait for at its own end.
    parent.control_message("$shutdown")
    began = time.monotonic()
    assert parent.wait() == 0
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("size", [0, 100, 5000, MIB])
def test_a_parent_that_floods_and_never_reads(parent: Parent, size: int) -> None:
    base = resident_kib(parent.pid)
    total = 40_000 if size < MIB else 100
    data = b"".join(parent.frame("echo", number, bytes(size)) for number in range(1, total + 1))
    assert parent.socket is not None
    parent.socket.settimeout(1)
    sent = 0
    view = memoryview(data)
    try:
        while sent < len(data):
            sent += parent.socket.send(view[sent : sent + 65536])
    except TimeoutError:
        # The worker reads no more: both directions are full.
        pass
    assert (sent < len(data)) == (size >= 5000)
    wait_until(lambda: stands_still(parent), "the worker waits")
    assert resident_kib(parent.pid) - base < BOUND_KIB
    # Nothing has been dropped: every request is answered once somebody reads.
    parent.socket.settimeout(20)
    writer = threading.Thread(target=parent.send, args=(view[sent:],))
    writer.start()
    for number in range(1, total + 1):
        frame = parent.receive()
        assert frame[1:3] == (RESULT, number)
        assert len(frame.payload) == size
    writer.join()


def test_many_streams_take_turns(parent: Parent) -> None:
    for number in range(1, 9):
        parent.request("stream", number, [300, 40_000])
    turns: list[int] = []
    while len(turns) <= 24:
        # A parent that keeps up would let each of them go on.
        wait_until(lambda: stands_still(parent), "the streams wait")
        for _ in range(40):
            frame = parent.receive()
            assert frame.flags == CHUNK
            if turns[-1:] != [frame.request_id]:
                turns.append(frame.request_id)
    # Whoever waits longest is the next, also when others have filled the buffer meanwhile.
    assert turns[:24] == 3 * list(range(1, 9))


def test_events_wait_too(parent: Parent) -> None:
    base = resident_kib(parent.pid)
    parent.request("events", 0, 20_000)
    wait_until(lambda: stands_still(parent), "the handler waits")
    assert resident_kib(parent.pid) - base < BOUND_KIB
    for _ in range(20_000):
        assert parent.receive().flags == EVENT


def test_the_limit_of_handlers_under_way(loop_name: str) -> None:
    with Parent("flow.py", loop_name, "10") as parent:
        for number in range(1, 31):
            parent.request("wait", number)
        for _ in range(10):
            assert parent.receive().flags == EVENT
        wait_until(lambda: stands_still(parent), "the worker waits")
        assert parent.socket is not None
        parent.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            parent.receive()
        parent.control_message("$ping")
        assert b"$pong" in parent.line()
        parent.control_message("$shutdown")
        assert parent.wait() == 0


def test_aborts_are_heard_at_the_limit(loop_name: str) -> None:
    with Parent("flow.py", loop_name, "2") as parent:
        for number in range(1, 5):
            parent.request("wait", number)
        for _ in range(2):
            assert parent.receive().flags == EVENT
        # One that waits, then both that are under way: the last one is begun.
        for number in (3, 1, 2):
            parent.abort(number)
        assert parent.receive().flags == EVENT
        parent.request("soon", 3)
        assert parent.receive_value() == (RESULT, 3, 1)
        parent.abort(4)


def test_waiting_requests_are_bounded(loop_name: str) -> None:
    with Parent("flow.py", loop_name, "1") as parent:
        base = resident_kib(parent.pid)
        parent.request("wait", 1)
        assert parent.socket is not None
        parent.socket.settimeout(1)
        sent = 0
        with suppress(TimeoutError):
            for number in range(2, 1000):
                frame = parent.frame("echo", number, bytes(100_000))
                parent.send(frame)
                sent += 1
        assert sent < 100
        assert resident_kib(parent.pid) - base < BOUND_KIB
        parent.control_message("$shutdown")
        assert parent.wait() == 0


def test_requests_above_the_limit_are_not_lost(loop_name: str) -> None:
    with Parent("flow.py", loop_name, "3") as parent:
        for number in range(1, 501):
            parent.request("soon", number)
        answers = [parent.receive_value() for _ in range(500)]
        assert sorted(request_id for _, request_id, _ in answers) == list(range(1, 501))
        assert max(under_way for _, _, under_way in answers) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe has no end in one direction only")
def test_a_parent_that_shuts_its_side_down(parent: Parent) -> None:
    parent.send_frame("echo", 1, b"x")
    assert parent.receive()[1:] == (RESULT, 1, b"x")
    assert parent.socket is not None
    parent.socket.shutdown(socket.SHUT_WR)
    assert parent.at_end()
    assert parent.wait() == 0


@pytest.mark.parametrize("cut", [1, 5, 10, 11, 15])
def test_the_connection_ends_inside_a_frame(parent: Parent, cut: int) -> None:
    parent.send(parent.frame("echo", 1, b"twenty bytes payload")[:cut])
    assert parent.socket is not None
    parent.socket.close()
    assert parent.wait() == 0
    assert "Traceback" not in parent.stderr_at_end()


BAD = {
    "method id 0": bytes(11),
    "reserved flag bits": b"\0\1\x80" + bytes(8),
    "the limit is 1073741824": b"\0\1\0\0\0\0\1\xff\xff\xff\xff",
}


@pytest.mark.parametrize(("text", "header"), BAD.items(), ids=BAD.keys())
def test_a_frame_that_breaks_the_protocol(parent: Parent, text: str, header: bytes) -> None:
    good = parent.frame("echo", 1, b"before")
    parent.send(good)
    assert parent.receive()[1:] == (RESULT, 1, b"before")
    parent.send(header + good)
    assert parent.at_end()
    assert parent.wait() == 0
    assert text in parent.stderr_at_end()


def test_the_same_id_twice_at_once(parent: Parent) -> None:
    parent.request("wait", 5)
    parent.request("wait", 5)
    while not parent.at_end():
        # The first one has begun before the second one was looked at.
        pass
    assert parent.wait() == 0
    assert "request id 5 is in flight already" in parent.stderr_at_end()


@ends("$shutdown", "SIGTERM")
def test_what_has_been_answered_is_still_sent(
    parent: Parent, end: Callable[[Parent], None]
) -> None:
    payload = random.Random(1).randbytes(3 * MIB)
    for number in (1, 2, 3):
        parent.send_frame("echo", number, payload)
    wait_until(lambda: stands_still(parent), "the answers wait")
    end(parent)
    for number in (1, 2, 3):
        assert parent.receive() == (parent.method_id("echo"), RESULT, number, payload)
    assert parent.at_end()
    assert parent.wait() == 0
    assert "Traceback" not in parent.stderr_at_end()


def test_a_parent_that_takes_nothing_does_not_delay_the_end(parent: Parent) -> None:
    parent.send_frame("echo", 1, bytes(3 * MIB))
    wait_until(lambda: stands_still(parent), "the answer waits")
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    assert "did not end in time" not in parent.stderr_at_end()
