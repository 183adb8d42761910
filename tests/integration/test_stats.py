"""What a worker counts: each request once when it comes, and once when it has its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from .parent import ACK, ERROR, RESULT, Parent, stands_still, wait_until


@pytest.fixture(params=["plain", "middleware"])
def parent(request: pytest.FixtureRequest, loop_name: str) -> Iterator[Parent]:
    with Parent("wrapped.py", loop_name, request.param) as parent:
        yield parent


def stats(parent: Parent) -> dict[str, Any]:
    taken: dict[str, Any] = parent.call("stats", None, 999)
    for method in taken["methods"].values():
        outcomes = method["succeeded"] + method["failed"] + method["aborted"]
        assert method["requests"] == outcomes + method["in_flight"]
        assert method["late"] <= method["aborted"]
    return taken


def counts(parent: Parent, method: str) -> str:
    """``requests succeeded failed aborted in_flight late`` of a method."""
    return " ".join(map(str, stats(parent)["methods"][method].values()))


def test_at_the_beginning(parent: Parent) -> None:
    taken = stats(parent)
    own = taken["methods"].pop("stats")
    assert own["requests"] == own["in_flight"] == 1
    assert {sum(method.values()) for method in taken["methods"].values()} == {0}
    # A request without data has a header and one byte.
    assert (taken["bytes_in"], taken["bytes_out"]) == (12, 0)
    assert taken["in_flight"] == 1
    assert taken["waiting"] == taken["late"] == taken["write_paused"] == taken["read_paused"] == 0


@pytest.mark.parametrize(
    "method", ["coroutine", "with_context", "inline", "thread", "thread_with_context"]
)
def test_results(parent: Parent, method: str) -> None:
    for number in range(1, 4):
        parent.call(method, number, number)
    assert counts(parent, method) == "3 3 0 0 0 0"


@pytest.mark.parametrize("method", ["generator", "thread_generator", "inline_generator", "chunks"])
def test_streams(parent: Parent, method: str) -> None:
    parent.request(method, 1)
    for _ in range(3):
        parent.receive()
    assert counts(parent, method) == "1 1 0 0 0 0"


def test_failures(parent: Parent) -> None:
    for number, method in enumerate(("fail", "tell", "refuse"), 1):
        parent.request(method, number, "oops")
        assert parent.receive_value()[0] == ERROR
        assert counts(parent, method) == "1 0 1 0 0 0"
    parent.send_frame("coroutine", 1, b"\xc1")
    assert parent.receive_value()[0] == ERROR
    assert counts(parent, "coroutine") == "1 0 1 0 0 0"
    parent.request("fail_stream", 1)
    parent.receive()
    parent.receive()
    assert counts(parent, "fail_stream") == "1 0 1 0 0 0"


def test_without_an_answer(parent: Parent) -> None:
    parent.request("note", 0, "well")
    parent.request("note", 0, "fail")
    assert counts(parent, "note") == "2 1 1 0 0 0"


def test_a_handler_that_goes_on_after_its_answer(parent: Parent) -> None:
    parent.request("accept", 1)
    assert parent.receive_value()[0] == ACK
    taken = stats(parent)
    assert taken["methods"]["accept"]["succeeded"] == 1
    assert taken["methods"]["accept"]["in_flight"] == 0
    assert taken["running"] >= 1
    parent.call("open_gate", "accept", 2)
    assert counts(parent, "accept") == "1 1 0 0 0 0"


def test_aborts(parent: Parent) -> None:
    parent.request("hold", 1, "gate")
    assert counts(parent, "hold") == "1 0 0 0 1 0"
    parent.abort(1)
    # Once more, and of nothing.
    parent.abort(1)
    parent.abort(2)
    assert counts(parent, "hold") == "1 0 0 1 0 0"


@pytest.mark.parametrize("method", ["stubborn", "late_respond"])
def test_late_answers(parent: Parent, method: str) -> None:
    parent.request(method, 1)
    parent.abort(1)
    wait_until(lambda: counts(parent, method) == "1 0 0 1 0 1", "the late answer is counted")
    assert stats(parent)["late"] == 1


def test_a_late_answer_of_a_thread(loop_name: str) -> None:
    with Parent("wrapped.py", loop_name) as parent:
        parent.request("stubborn_thread", 1)
        wait_until(lambda: "held" in parent.call("take_log", None, 2), "it runs")
        parent.abort(1)
        assert counts(parent, "stubborn_thread") == "1 0 0 1 0 0"
        parent.call("open_gate", "", 3)
        wait_until(
            lambda: counts(parent, "stubborn_thread") == "1 0 0 1 0 1", "the answer is counted"
        )


def test_requests_that_wait(loop_name: str) -> None:
    with Parent("wrapped.py", loop_name, "2") as parent:
        parent.request("hold", 1, "gate")
        parent.request("hold", 2, "gate")
        parent.request("hold", 3, "gate")
        parent.request("stats", 4)
        parent.request("note", 0, "well")
        parent.abort(3)
        # One place for all that wait.
        parent.abort(1)
        taken = parent.receive_value()[2]
        assert list(taken["methods"]["hold"].values()) == [3, 0, 0, 2, 1, 0]
        assert list(taken["methods"]["note"].values()) == [1, 0, 0, 0, 1, 0]
        assert (taken["in_flight"], taken["waiting"], taken["running"]) == (3, 1, 1)
        taken = stats(parent)
        assert list(taken["methods"]["note"].values()) == [1, 1, 0, 0, 0, 0]
        assert (taken["in_flight"], taken["waiting"], taken["running"]) == (2, 0, 1)


def test_bytes(parent: Parent) -> None:
    before = stats(parent)
    parent.call("coroutine", b"x" * 100_000)
    after = stats(parent)
    assert 100_000 < after["bytes_in"] - before["bytes_in"] < 100_100
    # The first statistics are among it.
    assert 100_000 < after["bytes_out"] - before["bytes_out"] < 110_000


def test_pauses(loop_name: str) -> None:
    with Parent("flow.py", loop_name) as parent:
        parent.request("stream", 1, [4096, 65536])
        wait_until(lambda: stands_still(parent), "the stream waits")
        time.sleep(0.2)
        for _ in range(4097):
            parent.receive()
        taken = parent.call("stats", None, 2)
        assert taken["write_paused"] > 0.2
        assert taken["bytes_out"] > 4096 * 65536
        assert taken["methods"]["stream"]["succeeded"] == 1


def test_outcomes_in_one_packet(parent: Parent) -> None:
    """The counts are right at every moment, not only when all is done."""
    frames = [parent.frame("coroutine", number, b"\x01") for number in range(1, 51)]
    frames += [parent.frame("fail", number, b"\xa1x") for number in range(51, 101)]
    parent.send(b"".join(frames))
    for _ in range(100):
        assert parent.receive().flags in (RESULT, ERROR)
    assert counts(parent, "coroutine") == "50 50 0 0 0 0"
    assert counts(parent, "fail") == "50 0 50 0 0 0"
