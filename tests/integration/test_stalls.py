"""A parent that takes nothing is given up by those who wait for it; a slow one never is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from .parent import CHUNK, DEADLINE, ERROR, EVENT, RESULT, STREAM_ERROR, Parent, wait_until

TIMEOUT = 0.5
TEXT = f"the parent has taken nothing for {TIMEOUT} s"


def limited(loop_name: str, **options: object) -> Parent:
    return Parent("limits.py", loop_name, json.dumps(options))


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with limited(loop_name, backpressure_timeout=TIMEOUT) as parent:
        yield parent


def given_up(parent: Parent, times: int = 1) -> None:
    wait_until(lambda: parent.stderr().count(TEXT) >= times, "the parent is given up")


FORMS = {
    "async_chunks": "closed",
    "inline_chunks": "closed",
    "thread_chunks": "closed",
    "context_chunks": TEXT,
    "thread_context_chunks": TEXT,
    "events": TEXT,
}


@pytest.mark.parametrize("method", FORMS)
def test_whoever_waits_is_told(parent: Parent, method: str) -> None:
    began = time.monotonic()
    parent.request(method, 1, None)
    given_up(parent)
    assert TIMEOUT < time.monotonic() - began < TIMEOUT + 5
    # The connection is as it was: once it is read, the error comes behind what was sent.
    while (frame := parent.receive()).flags in (CHUNK, EVENT):
        assert len(frame.payload) == 65536
    assert frame.flags == (ERROR if method == "events" else STREAM_ERROR)
    assert TEXT in frame.payload.decode(errors="replace")
    wait_until(lambda: parent.call("take_told") == [FORMS[method]], "the handler is told")
    parent.send_frame("echo", 2, b"as before")
    assert parent.receive()[1:] == (RESULT, 2, b"as before")


def test_all_who_wait_are_told_at_once(parent: Parent) -> None:
    for number in range(1, 51):
        parent.request("context_chunks", number, None)
    given_up(parent, 50)
    ended = set()
    while len(ended) < 50:
        frame = parent.receive()
        if frame.flags == STREAM_ERROR:
            ended.add(frame.request_id)
    assert parent.call("take_told") == [TEXT] * 50


def test_a_second_chance_is_as_long_as_the_first(parent: Parent) -> None:
    began = time.monotonic()
    parent.request("try_again", 1, None)
    # The answer waits as well, and is given up as the third.
    given_up(parent)
    assert time.monotonic() - began > 3 * TIMEOUT
    while parent.receive().flags == EVENT:
        pass
    assert parent.call("take_told") == [TEXT] * 2


def test_a_slow_parent_is_waited_for(parent: Parent) -> None:
    """It takes a few times the limit to read, with pauses below the limit."""
    parent.request("async_chunks", 1, None)
    began = time.monotonic()
    while time.monotonic() - began < 6 * TIMEOUT:
        # About what a socket holds: less than that is no progress that the worker could see.
        for _ in range(8):
            assert parent.receive().flags == CHUNK
        time.sleep(TIMEOUT / 5)
    assert TEXT not in parent.stderr()
    given_up(parent)


def test_without_a_limit_it_is_waited_for(loop_name: str) -> None:
    with limited(loop_name) as parent:
        parent.request("context_chunks", 1, None)
        parent.request("try_again", 2, None)
        time.sleep(3 * TIMEOUT)
        for _ in range(1000):
            assert parent.receive().flags in (CHUNK, EVENT)
        assert "taken nothing" not in parent.stderr()


def test_the_worker_can_end_meanwhile(parent: Parent) -> None:
    parent.request("context_chunks", 1, None)
    parent.request("thread_chunks", 2, None)
    parent.control_message("$shutdown")
    began = time.monotonic()
    assert parent.wait() == 0
    assert time.monotonic() - began < DEADLINE / 4
    assert "Traceback" not in parent.stderr_at_end()
