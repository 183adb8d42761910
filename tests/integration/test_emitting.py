"""Events from threads: handed over in order, and no faster than the parent reads."""

from __future__ import annotations

from collections.abc import Iterator

import msgpack
import pytest

from ..processes import resident_kib
from .parent import EVENT, RESULT, Parent, stands_still, wait_until
from .test_flow import BOUND_KIB


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("emitters.py", loop_name) as parent:
        yield parent


def test_they_come_in_order(parent: Parent) -> None:
    parent.request("in_order", 1, 200)
    for number in range(200):
        assert parent.receive_value() == (EVENT, 0, {"number": number})
    assert parent.receive_value() == (RESULT, 1, None)


def test_a_flood_is_bounded(parent: Parent) -> None:
    base = resident_kib(parent.pid)
    parent.request("flood", 1, [2000, 10_000, 4])
    wait_until(lambda: stands_still(parent), "the threads wait")
    assert resident_kib(parent.pid) - base < BOUND_KIB
    frames = [parent.receive() for _ in range(4 * 2000 + 1)]
    assert sum((frame.flags, len(frame.payload)) == (EVENT, 10_000) for frame in frames) == 8000


def test_errors_are_raised_where_they_are_made(parent: Parent) -> None:
    assert parent.call("errors") == ["UnknownEventError", "CodecError"]
    assert "would block the event loop" in parent.call("on_the_loop")


GIVEN_UP = "the event has not been sent within 0.3 s"


def test_an_event_that_is_given_up_is_not_sent(parent: Parent) -> None:
    parent.request("give_up", 1, 10_000)
    wait_until(lambda: GIVEN_UP in parent.stderr(), "the thread has given up")
    events = 0
    while (frame := parent.receive()).flags == EVENT:
        events += 1
    assert frame.request_id == 1
    # The result says how many were sent: the last one was not.
    assert msgpack.unpackb(frame.payload) == [events, GIVEN_UP]
    assert parent.call("errors", None, 2)


def test_what_is_given_up_before_the_loop_looks(parent: Parent) -> None:
    assert parent.call("give_up_while_the_loop_is_stuck") is True
    # Neither before its result nor after it has the event come.
    assert parent.call("errors", None, 2)


def test_nothing_is_kept_of_what_was_given_up(parent: Parent) -> None:
    parent.request("give_up", 1, 10_000)
    wait_until(lambda: GIVEN_UP in parent.stderr(), "the parent's side is full")
    parent.request("give_up_often", 2, 200)
    wait_until(lambda: "gave up often" in parent.stderr(), "all have been given up")
    parent.request("tasks", 3)
    while (frame := parent.receive()).request_id != 3:
        pass
    assert msgpack.unpackb(frame.payload) < 20


def test_the_end(parent: Parent) -> None:
    parent.call("start_thread")
    assert parent.receive().flags == EVENT
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    told = parent.stderr_at_end()
    assert "the thread has ended" in told
    assert "did not end in time" not in told
