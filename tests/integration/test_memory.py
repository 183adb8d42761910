"""What a parent can make a worker keep: requests that are under way, answers that nobody reads."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ..processes import peak_kib, resident_kib
from .parent import CHUNK, EVENT, RESULT, STREAM_END, Parent, stands_still, wait_until

MIB = 1024 * 1024


def limited(loop_name: str, **options: object) -> Parent:
    return Parent("limits.py", loop_name, json.dumps(options))


def send_until_nobody_reads(parent: Parent, data: bytes) -> int:
    """How many bytes are taken before the worker reads no more."""
    assert parent.socket is not None
    parent.socket.settimeout(1)
    sent = 0
    view = memoryview(data)
    with suppress(TimeoutError):
        while sent < len(data):
            sent += parent.socket.send(view[sent : sent + 65536])
    parent.socket.settimeout(20)
    return sent


def held(parent: Parent) -> None:
    frame = parent.receive()
    assert frame.flags == EVENT


def nothing_more_comes(parent: Parent) -> bool:
    assert parent.socket is not None
    parent.socket.settimeout(0.3)
    try:
        parent.receive()
    except TimeoutError:
        return True
    finally:
        parent.socket.settimeout(20)
    return False


def test_bytes_of_requests_under_way(loop_name: str) -> None:
    with limited(loop_name, max_in_flight_bytes=4 * 100_000) as parent:
        for number in range(1, 9):
            parent.send_frame("hold", number, bytes(100_000))
        for _ in range(4):
            held(parent)
        assert nothing_more_comes(parent)
        # Aborts are heard, of those under way and of those that wait; the next ones begin.
        for number in (5, 1, 2):
            parent.abort(number)
        for _ in range(2):
            held(parent)
        assert nothing_more_comes(parent)
        parent.abort(3)
        held(parent)
        assert nothing_more_comes(parent)


def test_one_request_is_let_through_whatever_its_size(loop_name: str) -> None:
    with limited(loop_name, max_in_flight_bytes=1) as parent:
        for number in range(1, 4):
            payload = random.Random(number).randbytes(8 * MIB)
            parent.send_frame("echo_later", number, payload)
            assert parent.receive()[1:] == (RESULT, number, payload)
        # Those without a payload hold nothing.
        for number in range(1, 10):
            parent.send_frame("hold", number)
        for _ in range(9):
            held(parent)


def test_requests_that_end_at_once_hold_nothing(loop_name: str) -> None:
    with limited(loop_name, max_in_flight_bytes=1) as parent:
        parent.send(b"".join(parent.frame("echo", number, b"x" * 99) for number in range(1, 1001)))
        for number in range(1, 1001):
            assert parent.receive()[1:] == (RESULT, number, b"x" * 99)


def test_a_flood_of_large_requests_stops_and_goes_on(loop_name: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Parent("limits.py", loop_name, "{}", str(gate)) as parent:
        base = resident_kib(parent.pid)
        total = 100
        data = b"".join(parent.frame("until", number, bytes(MIB)) for number in range(1, total + 1))
        sent = send_until_nobody_reads(parent, data)
        # 12 MiB under way, 4 MiB waiting, the one that is arriving.
        assert sent < 20 * MIB
        assert peak_kib(parent.pid) - base < 20 * 1024
        gate.touch()
        writer = threading.Thread(target=parent.send, args=(memoryview(data)[sent:],))
        writer.start()
        frames = [parent.receive() for _ in range(total)]
        writer.join()
        assert all(frame.flags == RESULT and frame.payload == b"\0" for frame in frames)
        assert sorted(frame.request_id for frame in frames) == list(range(1, total + 1))


ECHOES = ["echo", "echo_later", "echo_in_thread", "echo_by_context", "echo_by_context_in_thread"]


@pytest.mark.parametrize("method", ECHOES)
@pytest.mark.parametrize("size", [30_000, MIB])
def test_both_sides_full(loop_name: str, method: str, size: int) -> None:
    with limited(loop_name) as parent:
        base = resident_kib(parent.pid)
        total = 64 * MIB // size
        payload = random.Random(size).randbytes(size)
        data = b"".join(parent.frame(method, number, payload) for number in range(1, total + 1))
        sent = send_until_nobody_reads(parent, data)
        assert sent < len(data) // 2
        # Requests under way and their answers 12 MiB, waiting 4, the transport 1, the one that
        # arrives; of what has been freed the allocator keeps a part.
        assert peak_kib(parent.pid) - base < 32 * 1024
        writer = threading.Thread(target=parent.send, args=(memoryview(data)[sent:],))
        writer.start()
        answered = set()
        for _ in range(total):
            frame = parent.receive()
            assert frame.flags == RESULT
            assert frame.payload == payload
            answered.add(frame.request_id)
        writer.join()
        assert answered == set(range(1, total + 1))


@pytest.mark.parametrize("size", [30_000, MIB])
def test_all_answered_at_once(loop_name: str, tmp_path: Path, size: int) -> None:
    """Answers that nobody reads, as many as requests were under way."""
    gate = tmp_path / "gate"
    with Parent("limits.py", loop_name, "{}", str(gate)) as parent:
        assert parent.socket is not None
        base = resident_kib(parent.pid)
        total = 64 * MIB // size
        data = b"".join(parent.frame("back", number, bytes(size)) for number in range(1, total + 1))
        sent = send_until_nobody_reads(parent, data)
        gate.touch()
        sent += send_until_nobody_reads(parent, data[sent:])
        # What the sockets hold of it is read, and no more.
        assert sent < 20 * MIB
        assert peak_kib(parent.pid) - base < 32 * 1024
        writer = threading.Thread(target=parent.send, args=(memoryview(data)[sent:],))
        writer.start()
        frames = [parent.receive() for _ in range(total)]
        writer.join()
        assert all(frame.flags == RESULT and frame.payload == bytes(size) for frame in frames)


# 1024 at 1 a second take 17 minutes: for the workflow's long runs.
STREAM_MIB, STREAM_MIB_PER_SECOND = map(
    int, os.environ.get("TEST_SLOW_STREAM", "64 at 20").split(" at ")
)


def test_a_stream_to_a_slow_parent(loop_name: str) -> None:
    with limited(loop_name) as parent:
        base = peak_kib(parent.pid)
        count = STREAM_MIB * 16
        parent.request("rate", 1, count)
        began = time.monotonic()
        for number in range(count):
            ahead = number / 16 / STREAM_MIB_PER_SECOND - (time.monotonic() - began)
            if ahead > 0.01:
                time.sleep(ahead)
            frame = parent.receive()
            assert frame.flags == CHUNK
            assert len(frame.payload) == 65536
        assert parent.receive().flags == STREAM_END
        assert time.monotonic() - began > STREAM_MIB / STREAM_MIB_PER_SECOND / 2
        # The transport's high-water mark, and far less than the 16 MiB beside it.
        assert peak_kib(parent.pid) - base < 4 * 1024


def test_a_million_aborts_of_unknown_requests(loop_name: str) -> None:
    with limited(loop_name) as parent:

        def send_aborts(first: int) -> None:
            numbers = range(first, first + 100_000)
            parent.send(b"".join(parent.frame(0xFFFF, number) for number in numbers))

        send_aborts(1)
        base = parent.call("blocks")
        resident = resident_kib(parent.pid)
        for turn in range(1, 11):
            send_aborts(turn * 1_000_000)
        assert parent.call("blocks") - base < 50
        assert resident_kib(parent.pid) - resident < 256


def test_aborts_of_finished_requests_and_again(loop_name: str) -> None:
    with limited(loop_name) as parent:

        def some(first: int) -> int:
            for number in range(first, first + 2000):
                parent.send_frame("echo_later", number, b"x")
                assert parent.receive()[1:] == (RESULT, number, b"x")
                parent.abort(number)
                parent.abort(number)
                # Aborted once while it is under way, and once afterwards.
                parent.send_frame("hold", number)
                held(parent)
                parent.abort(number)
                parent.abort(number)
            blocks: int = parent.call("blocks")
            return blocks

        base = some(1)
        assert some(1_000_000) - base < 200


def test_repeated_aborts_of_waiting_requests(loop_name: str) -> None:
    with limited(loop_name, max_concurrency=1) as parent:
        parent.send_frame("hold", 1)
        held(parent)
        for number in range(2, 1002):
            parent.send_frame("echo", number, b"x")
            parent.abort(number)
            parent.abort(number)
        parent.abort(1)
        # Every one of them was taken out, and its place is free.
        parent.send_frame("echo", 2, b"answered")
        assert parent.receive()[1:] == (RESULT, 2, b"answered")


def test_the_connection_outlives_many_waiting_rooms(loop_name: str) -> None:
    """The sum of what is under way comes back to nothing, however a handler ends."""
    with limited(loop_name, max_in_flight_bytes=MIB) as parent:
        for number in range(1, 101):
            for method in ("hold", "echo_later", "echo_in_thread", "echo_by_context"):
                parent.send_frame(method, number, bytes(MIB // 2))
                if method == "hold":
                    held(parent)
                    parent.abort(number)
                else:
                    assert parent.receive()[1:3] == (RESULT, number)
        wait_until(lambda: parent.call("blocks") > 0, "the worker is as it was")
        for number in (1, 2):
            parent.send_frame("hold", number, bytes(MIB // 2))
            held(parent)


def test_both_limits_at_once(loop_name: str) -> None:
    """Requests wait for a handler to end, and its answer waits for the parent."""
    with limited(loop_name, max_concurrency=1) as parent:
        total = 20
        data = b"".join(parent.frame("enlarge", number, bytes(300_000)) for number in range(total))
        # More than may wait; the first has the id 0 and no answer.
        writer = threading.Thread(target=parent.send, args=(data,))
        writer.start()
        wait_until(lambda: stands_still(parent), "nothing goes on until the parent reads")
        for number in range(1, total):
            frame = parent.receive()
            assert (frame.flags, frame.request_id) == (RESULT, number)
            assert len(frame.payload) == 12 * MIB
        writer.join()


def test_aborted_streams_that_wait_leave_nothing(loop_name: str) -> None:
    with limited(loop_name) as parent:

        def start_and_abort(count: int) -> None:
            for first in range(2, 2 + count, 100):
                parent.send(
                    b"".join(
                        parent.frame("rate", number, b"\x7f") + parent.frame(0xFFFF, number)
                        for number in range(first, first + 100)
                    )
                )
            wait_until(lambda: stands_still(parent), "all have been read")

        parent.request("rate", 1, 1024)
        start_and_abort(5_000)
        before = resident_kib(parent.pid)
        start_and_abort(40_000)
        assert resident_kib(parent.pid) - before < 2048


def test_an_abort_comes_before_what_is_handed_out(loop_name: str) -> None:
    with limited(loop_name) as parent:
        parent.send_frame("hand_out", 1)
        parent.abort(1)
        parent.send_frame("echo", 2)
        assert parent.receive().request_id == 2
        began = time.monotonic()
        parent.control_message("$shutdown")
        assert parent.wait() == 0
        # Four seconds is what handlers have that do not end.
        assert time.monotonic() - began < 3


def test_a_parent_that_leaves_while_nothing_is_read(loop_name: str) -> None:
    with limited(loop_name, max_concurrency=1) as parent:
        assert parent.socket is not None
        send_until_nobody_reads(
            parent,
            parent.frame("hold", 1) + parent.frame("echo", 2, bytes(5 * MIB)) + bytes(MIB),
        )
        began = time.monotonic()
        # The control plane stays.
        parent.socket.close()
        assert parent.wait() == 0
        assert time.monotonic() - began < 4
        assert "did not end in time" not in parent.stderr_at_end()
