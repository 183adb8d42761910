"""A method's own limit: who waits behind whom, and how much of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from ..processes import resident_kib
from .parent import RESULT, Parent
from .test_flow import BOUND_KIB


def worker(loop_name: str, **options: Any) -> Parent:
    return Parent("queues.py", loop_name, json.dumps(options))


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with worker(loop_name) as parent:
        yield parent


@pytest.mark.parametrize(("method", "limit"), [("triple", 3), ("threaded", 2)])
def test_no_more_than_allowed_and_none_lost(parent: Parent, method: str, limit: int) -> None:
    for number in range(1, 301):
        parent.request(method, number, number)
    answers = {
        request_id: value for _, request_id, value in (parent.receive_value() for _ in range(300))
    }
    assert answers == {number: number for number in range(1, 301)}
    facts = parent.call("facts")
    assert facts["most"] == {method: limit}
    if method == "triple":
        assert facts["order"] == list(range(1, 301))


def test_others_do_not_wait_behind_it(parent: Parent) -> None:
    for number in range(1, 51):
        parent.send_frame("single", number, bytes(number))
    for number in range(100, 150):
        assert parent.call("echo", number, number) == number
    parent.call("open_gate", "single", 200)
    for number in range(1, 51):
        assert parent.receive() == (parent.method_id("single"), RESULT, number, bytes(number))
    assert parent.call("facts")["most"] == {"single": 1}


def test_aborts_take_out_those_that_wait(parent: Parent) -> None:
    for number in range(1, 8):
        parent.send_frame("single", number, bytes(number))
    for number in (2, 3, 7, 7):
        parent.abort(number)
    # Also the one that is under way: the next one begins.
    parent.abort(1)
    parent.call("open_gate", "single", 100)
    assert [parent.receive().request_id for _ in range(3)] == [4, 5, 6]
    assert parent.call("facts")["order"] == [1, 4, 5, 6]


def test_an_aborted_generator_in_a_thread_counts_until_it_has_ended(parent: Parent) -> None:
    for number in range(1, 6):
        parent.request("drip", number)
    for number in range(1, 6):
        while parent.receive().request_id != number:
            pass
        parent.abort(number)
    # Behind the chunks that were on their way.
    parent.request("echo", 100)
    while parent.receive().request_id != 100:
        pass
    assert parent.call("facts")["most"] == {"drip": 1}


def test_what_aborted_requests_held_is_free_at_once(parent: Parent) -> None:
    """Else they would fill what may wait while the one before them takes its time."""
    parent.send_frame("single", 1, b"x")
    payload = bytes(1_000_000)
    for number in range(2, 50):
        parent.send_frame("single", number, payload)
        parent.abort(number)
        assert parent.call("echo", number, 1000) == number
    parent.call("open_gate", "single", 1000)
    assert parent.receive().request_id == 1
    assert parent.call("facts")["order"] == [1]


def test_what_waits_is_bounded(parent: Parent) -> None:
    base = resident_kib(parent.pid)
    assert parent.socket is not None
    parent.socket.settimeout(1)
    sent = 0
    with suppress(TimeoutError):
        for number in range(1, 1000):
            parent.send_frame("single", number, bytes(100_000))
            sent += 1
    assert sent < 100
    assert resident_kib(parent.pid) - base < BOUND_KIB
    parent.control_message("$shutdown")
    assert parent.wait() == 0


def test_a_method_at_its_limit_does_not_stop_the_clients_queue(loop_name: str) -> None:
    with worker(loop_name, max_concurrency=2) as parent:
        parent.send_frame("single", 1, b"1")
        parent.request("hold", 2, "a")
        # All of these wait for the client, and the first two for their method after that.
        parent.send_frame("single", 3, b"333")
        parent.send_frame("single", 4, b"4444")
        parent.request("echo", 5, "through")
        parent.request("hold", 6, "a")
        parent.abort(2)
        # There is room for one, and 3 and 4 cannot use it.
        assert parent.receive_value() == (RESULT, 5, "through")
        parent.request("open_gate", 7, "single")
        parent.abort(6)
        answers = [parent.receive() for _ in range(4)]
        assert sorted(frame.request_id for frame in answers) == [1, 3, 4, 7]
        assert parent.call("facts", None, 9)["order"] == [1, 3, 4]


def test_the_end_does_not_wait_for_them(parent: Parent) -> None:
    for number in range(1, 51):
        parent.send_frame("single", number, bytes(number))
    parent.call("echo", 1, 100)
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    assert "did not end in time" not in parent.stderr_at_end()
