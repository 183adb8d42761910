"""Aborts: the handler is told, and nothing is sent for the request from then on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .parent import ACK, CHUNK, RESULT, Parent, wait_until


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("tasks.py", loop_name) as parent:
        yield parent


def logged(parent: Parent, count: int) -> list[str]:
    """Wait for so many lines in the worker's log."""
    lines: list[str] = []

    def enough() -> bool:
        lines.extend(parent.call("take_log", None, 1000))
        return len(lines) >= count

    wait_until(enough, f"{count} lines are logged, only {lines}")
    return lines


def test_a_waiting_handler_is_cancelled(parent: Parent) -> None:
    parent.request("sleep", 1, "a")
    parent.abort(1)
    # The callback is called at once, the cancellation comes with the loop's next turn.
    assert logged(parent, 2) == ["a callback", "a cancelled True"]
    assert parent.call("take_log", None, 1) == []


def test_an_abort_in_the_same_packet(parent: Parent) -> None:
    parent.send(parent.frame("sleep", 1, b"\xa1a") + parent.frame(0xFFFF, 1))
    assert logged(parent, 2) == ["a callback", "a cancelled True"]


def test_aborts_that_mean_nothing(parent: Parent) -> None:
    for request_id in (0, 1, 5, 0xFFFFFFFF):
        parent.abort(request_id)
    assert parent.call("task_group", 2, 5) == [0, 1]
    # A finished one, and again.
    parent.abort(5)
    parent.abort(5)
    parent.request("sleep", 6, "a")
    parent.abort(6)
    parent.abort(6)
    assert logged(parent, 2) == ["a callback", "a cancelled True"]


def test_the_id_of_an_aborted_request_is_free(parent: Parent) -> None:
    parent.send(
        parent.frame("stubborn", 1, b"\xa1a")
        + parent.frame(0xFFFF, 1)
        + parent.frame("task_group", 1, b"\x02")
    )
    assert parent.receive_value() == (RESULT, 1, [0, 1])
    assert logged(parent, 1) == [
        "ResponseAlreadySentError: the request #1 to 'stubborn' was aborted"
    ]


def test_an_error_in_the_clean_up_is_logged_only(parent: Parent) -> None:
    parent.request("abort_error", 1, "a")
    parent.abort(1)
    wait_until(lambda: "while cleaning up" in parent.stderr(), "the error is logged")
    assert parent.call("task_group", 1, 2) == [0]


def test_wait_aborted(parent: Parent) -> None:
    parent.request("wait_aborted", 1, "a")
    parent.abort(1)
    assert logged(parent, 1) == ["a watched"]


@pytest.mark.parametrize("method", ["endless", "endless_busy", "endless_thread", "endless_inline"])
def test_an_endless_stream_is_closed(parent: Parent, method: str) -> None:
    parent.request(method, 1, "s")
    for _ in range(500):
        assert parent.receive_value() == (CHUNK, 1, "s")
    parent.abort(1)
    parent.request("task_group", 2, 1)
    # Chunks that were on their way may still come, but none behind the next answer.
    while (frame := parent.receive_value())[1] == 1:
        assert frame[0] == CHUNK
    assert frame == (RESULT, 2, [0])
    assert logged(parent, 1) == ["s closed"]


def test_a_thread_is_told(parent: Parent) -> None:
    parent.request("thread", 1, "t")
    assert logged(parent, 1) == ["t started"]
    parent.abort(1)
    assert logged(parent, 1) == ["t True ResponseAlreadySentError"]


def test_a_handler_that_has_acked_goes_on(parent: Parent) -> None:
    parent.request("answered_then_sleeps", 1, "g")
    assert parent.receive_value() == (ACK, 1, "g")
    # The request has had its end: there is nothing left to abort, and its id is free.
    parent.abort(1)
    assert parent.call("open_gate", "g", 1) is None
    assert logged(parent, 1) == ["g went on"]


def test_nothing_is_left_of_many_aborts(parent: Parent) -> None:
    for number in range(1, 301):
        parent.request("sleep", number, "x")
    for number in range(1, 301):
        parent.abort(number)
    assert len(logged(parent, 600)) == 600
    assert "procwire-handler" not in parent.call("pending", None, 1)
