"""Time limits: what the parent is told of them, and what the worker does when they pass."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from .parent import ACK, CHUNK, ERROR, RESULT, STREAM_END, STREAM_ERROR, Parent, wait_until

TIMEOUT = 0.2
GRACE = 0.1


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("deadlines.py", loop_name) as parent:
        yield parent


def noted(parent: Parent, count: int) -> list[str]:
    notes: list[str] = []

    def enough() -> bool:
        notes.extend(parent.call("take_notes", None, 1000))
        return len(notes) >= count

    wait_until(enough, f"{count} notes are taken, only {notes}")
    return notes


def expired(method: str) -> dict[str, str]:
    return {"message": f"{method!r} has not answered within 0.2 s", "code": "E_TIMEOUT"}


def test_the_schema_has_milliseconds(parent: Parent) -> None:
    methods = parent.init["schema"]["methods"]
    timeouts = {name: method["timeout"] for name, method in methods.items() if "timeout" in method}
    assert timeouts["sleep"] == 200
    assert timeouts["patient"] == 3_600_000
    assert timeouts["unhurried"] == 0
    # Rounded to 0 it would be none at all.
    assert timeouts["tiny"] == 1
    assert not {"echo", "async_stream", "in_the_background"} & set(timeouts)


def test_a_coroutine_is_cancelled(parent: Parent) -> None:
    began = time.monotonic()
    parent.request("sleep", 1, "a")
    assert parent.receive_value() == (ERROR, 1, expired("sleep"))
    # The parent has given up before.
    assert time.monotonic() - began > TIMEOUT + GRACE - 0.01
    assert noted(parent, 2) == ["a began", "a cancelled"]
    told = "'sleep' has not answered within 0.2 s (request #1)"
    wait_until(lambda: told in parent.stderr(), "it is logged")


def test_what_comes_later_is_not_sent(parent: Parent) -> None:
    parent.request("stubborn", 1)
    assert parent.receive_value() == (ERROR, 1, expired("stubborn"))
    assert noted(parent, 2) == ["on_abort", "went on, aborted=True"]
    # The id is free again.
    assert parent.call("echo", "next", 1) == "next"


def test_a_thread_is_told(parent: Parent) -> None:
    parent.request("in_thread", 1)
    assert parent.receive_value() == (ERROR, 1, expired("in_thread"))
    assert noted(parent, 1) == ["raised, aborted=True"]
    assert parent.call("echo", "next", 1) == "next"


def test_each_request_has_one_end(parent: Parent) -> None:
    """Some in time, some not, some aborted: the timer must not take one for the other."""
    late = {number for number in range(1, 301) if number % 3 == 0}
    aborted = {number for number in range(1, 301) if number % 7 == 0}
    for number in range(1, 301):
        parent.request("wait", number, 5.0 if number in late else number / 10_000)
        if number in aborted:
            parent.abort(number)
    answers = Counter[int]()
    owed = set(range(1, 301)) - aborted
    while owed - set(answers):
        flags, request_id, _ = parent.receive_value()
        answers[request_id] += 1
        if request_id not in aborted:
            assert flags == (ERROR if request_id in late else RESULT), request_id
    assert parent.call("echo", "nothing else", 1000) == "nothing else"
    assert set(answers.values()) == {1}


def test_nothing_is_kept_of_requests_that_are_in_time(parent: Parent) -> None:
    for number in range(1, 501):
        parent.request("patient", number, number)
    for _ in range(500):
        assert parent.receive().flags == RESULT
    parent.request("short_stream", 1, 3)
    while parent.receive().flags != STREAM_END:
        pass
    assert parent.call("deadlines") == 0


def test_the_time_counts_that_a_request_waits(parent: Parent) -> None:
    parent.request("one_at_a_time", 1, "stuck")
    for number in (2, 3):
        parent.request("one_at_a_time", number, "never")
    assert sorted(parent.receive_value()[:2] for _ in range(3)) == [
        (ERROR, number) for number in (1, 2, 3)
    ]
    # The one that is under way goes on, and keeps its place.
    assert noted(parent, 2) == ["stuck began", "stuck goes on"]
    parent.request("one_at_a_time", 4, "last")
    assert parent.call("open_gate", None, 5) is None
    assert parent.receive_value() == (RESULT, 4, "last")
    assert noted(parent, 1) == ["last began"]
    assert parent.call("deadlines") == 0


def test_waiting_for_the_whole_client_counts_too(loop_name: str) -> None:
    with Parent("deadlines.py", loop_name, "1") as parent:
        parent.request("async_stream", 1)
        assert parent.receive().flags == CHUNK
        parent.request("tiny", 2)
        while (frame := parent.receive()).request_id != 2:
            assert frame.flags == CHUNK
        assert frame.flags == ERROR


@pytest.mark.parametrize("waits_before", [False, True])
def test_after_an_ack_there_is_no_limit(parent: Parent, waits_before: bool) -> None:
    parent.request("acked", 1, waits_before)
    assert parent.receive_value() == (ACK, 1, "accepted")
    assert noted(parent, 1) == ["acked went on, aborted=False"]
    assert parent.call("deadlines") == 0


@pytest.mark.parametrize("method", ["async_stream", "thread_stream", "thread_chunks"])
def test_a_stream_ends_with_an_error(parent: Parent, method: str) -> None:
    parent.request(method, 1)
    while (answer := parent.receive_value())[0] == CHUNK:
        pass
    message = f"{method!r} ran longer than 0.2 s"
    assert answer == (STREAM_ERROR, 1, {"message": message, "code": "E_TIMEOUT"})
    assert noted(parent, 1) == ["closed"]
    assert parent.call("echo", "next", 1) == "next"


def test_a_handler_that_owes_no_answer(parent: Parent) -> None:
    parent.request("in_the_background", 0)
    assert noted(parent, 1) == ["background cancelled"]
    assert parent.call("deadlines") == 0
