"""Middleware: around handlers of every form, in their task, with their one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .parent import ACK, CHUNK, ERROR, STREAM_END, STREAM_ERROR, Parent, Workers, wait_until


@pytest.fixture
def parent(workers: Workers, loop_name: str) -> Iterator[Parent]:
    with workers.borrow("wrapped.py", loop_name, "middleware") as parent:
        yield parent


RESULTS = [
    "coroutine",
    "with_context",
    "inline",
    "thread",
    "thread_with_context",
    "thread_of_coroutine",
]
STREAMS = ["generator", "thread_generator", "inline_generator", "chunks"]


def logged(parent: Parent, last: str = "outer ends") -> list[str]:
    """The worker's log up to this line, which may come after the answer."""
    lines: list[str] = []

    def is_there() -> bool:
        lines.extend(parent.call("take_log", None, 99))
        return lines[-1:] == [last]

    wait_until(is_there, f"{last!r} is logged, only {lines}")
    return lines


@pytest.mark.parametrize("method", RESULTS)
def test_results(parent: Parent, method: str) -> None:
    assert parent.call(method, "data") == ["data", "inner"]
    assert logged(parent) == [f"outer {method}", "inner outer", "outer ends"]


@pytest.mark.parametrize("method", STREAMS)
def test_streams(parent: Parent, method: str) -> None:
    parent.request(method, 1, "data")
    assert [parent.receive_value() for _ in range(3)] == [
        (CHUNK, 1, "data"),
        (CHUNK, 1, "inner"),
        (STREAM_END, 1, None),
    ]
    assert logged(parent) == [f"outer {method}", "inner outer", "outer ends"]


def test_the_other_kinds(parent: Parent) -> None:
    parent.request("accept", 1, "data")
    assert parent.receive_value() == (ACK, 1, ["data", "inner"])
    parent.request("note", 0, "data")
    assert logged(parent) == [
        "outer accept", "inner outer", "outer note", "inner outer", "note data", "outer ends",
    ]  # fmt: skip


def test_what_a_middleware_may_do(parent: Parent) -> None:
    assert parent.call("coroutine", "short cut") == "from the middleware"
    assert parent.call("thread", {"unwrap": 5}) == {"wrapped": [5, "inner"]}


ERRORS: dict[str, tuple[str, Any]] = {
    "refuse": ("HandlerError", {"message": "not you", "code": "E_AUTH"}),
    "exit": ("SystemExit", "middleware exits"),
}


@pytest.mark.parametrize("data", ERRORS)
@pytest.mark.parametrize("method", [*RESULTS, *STREAMS, "accept"])
def test_its_exceptions_are_the_answer(parent: Parent, method: str, data: str) -> None:
    parent.request(method, 1, data)
    name, value = ERRORS[data]
    flags = STREAM_ERROR if method in STREAMS else ERROR
    assert parent.receive_value() == (flags, 1, value)
    assert logged(parent)[-2:] == [f"outer {name}", "outer ends"]


def test_it_sees_the_handlers_exceptions(parent: Parent) -> None:
    parent.request("fail", 1, "oops")
    assert parent.receive_value() == (ERROR, 1, "oops")
    assert logged(parent)[-2:] == ["outer ValueError", "outer ends"]


def test_it_is_cancelled_with_the_handler(parent: Parent) -> None:
    parent.request("hold", 1, "gate")
    parent.abort(1)
    assert logged(parent)[-2:] == ["outer CancelledError", "outer ends"]


def test_it_waits_for_a_thread_that_is_aborted(loop_name: str) -> None:
    """As without it: a thread that goes on is under way."""
    with Parent("wrapped.py", loop_name, "middleware") as parent:
        parent.request("stubborn_thread", 1)
        logged(parent, "held")
        parent.abort(1)
        assert parent.call("stats", None, 3)["running"] == 1
        assert parent.call("take_log", None, 4) == []
        parent.send_frame("note", 0, b"\xa6thread")
        assert logged(parent)[-2:] == ["note thread", "outer ends"]
        parent.call("open_gate", "", 5)
        wait_until(lambda: parent.call("stats", None, 6)["running"] == 0, "the thread has ended")
        assert "outer CancelledError" in logged(parent)


def test_a_bad_payload_does_not_reach_it(parent: Parent) -> None:
    parent.send_frame("coroutine", 1, b"\xc1")
    assert parent.receive().flags == ERROR
    assert parent.call("take_log", None, 2) == []


def test_what_a_request_is_called(loop_name: str) -> None:
    with Parent("wrapped.py", loop_name, "track") as parent:
        assert parent.call("who", None, 7) == [["who", 7]] * 3
        assert parent.call("who_in_thread", None, 8) == ["who_in_thread", 8]
        assert parent.call("who_inline", None, 9) == ["who_inline", 9]
        parent.request("fail", 10, "oops")
        assert parent.receive_value()[0] == ERROR
        parent.request("slow", 11)
        assert parent.receive_value()[0] == ERROR
        parent.control_message("$shutdown")
        assert parent.wait() == 0
        log = parent.stderr_at_end()
        # Nobody's task has logged that.
        assert "[procwire.requests slow 11] 'slow' has not answered within 0.05 s" in log
        assert log.count("[app who 7] at work") == 3
        assert "[procwire.requests fail 10] 'fail' failed on request #10\nTraceback" in log


def test_without_it_nothing_is_known(loop_name: str) -> None:
    with Parent("wrapped.py", loop_name) as parent:
        assert parent.call("who") == [[None, None]] * 3
        assert parent.call("inline", "data") == ["data", "unset"]
        parent.request("fail", 1, "oops")
        assert parent.receive_value() == (ERROR, 1, "oops")
        assert parent.call("coroutine", 5, 2) == [5, "unset"]
