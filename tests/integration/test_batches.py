"""Batches: concurrent requests in one call of their handler, each with an answer of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from .parent import ACK, ERROR, RESULT, Parent, wait_until


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("batches.py", loop_name) as parent:
        yield parent


def send_together(parent: Parent, method: str, values: list[Any], first: int = 1) -> None:
    parent.send(
        b"".join(
            parent.frame(method, number, msgpack.packb(value))
            for number, value in enumerate(values, first)
        )
    )


def answers(parent: Parent, count: int) -> dict[int, tuple[int, Any]]:
    received = [parent.receive_value() for _ in range(count)]
    assert len({request_id for _, request_id, _ in received}) == count
    return {request_id: (flags, value) for flags, request_id, value in received}


def calls_of(parent: Parent, count: int) -> list[Any]:
    taken: list[Any] = []

    def enough() -> bool:
        taken.extend(parent.call("take_calls", None, 1000)["calls"])
        return len(taken) >= count

    wait_until(enough, f"{count} calls are made, only {taken}")
    return taken


@pytest.mark.parametrize("method", ["double", "threaded", "inline"])
def test_requests_are_gathered(parent: Parent, method: str) -> None:
    send_together(parent, method, list(range(10)))
    assert answers(parent, 10) == {number: (RESULT, 2 * (number - 1)) for number in range(1, 11)}
    assert calls_of(parent, 3) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    # One that comes alone waits for others, not for ever.
    assert parent.call(method, 21) == 42


def test_a_full_batch_waits_for_nothing(parent: Parent) -> None:
    send_together(parent, "full", ["a", "b"])
    assert calls_of(parent, 0) == []
    parent.request("full", 3, "c")
    assert answers(parent, 3) == {1: (RESULT, "a"), 2: (RESULT, "b"), 3: (RESULT, "c")}


def test_an_exception_in_the_list_is_one_requests_error(parent: Parent) -> None:
    send_together(parent, "faulty", ["a", "bad", "c"])
    assert answers(parent, 3) == {1: (RESULT, "a"), 2: (ERROR, "not bad"), 3: (RESULT, "c")}


FAULTS = {
    "raise": "the whole batch",
    "base": "the whole batch",
    "short": "the handler of the batch method 'faulty' returned 2 answers to 3 requests",
    "no list": "the handler of the batch method 'faulty' returned dict, not a list",
}


@pytest.mark.parametrize("what", FAULTS)
def test_the_whole_batch_fails(parent: Parent, what: str) -> None:
    send_together(parent, "faulty", [what, "b", "c"])
    assert answers(parent, 3) == dict.fromkeys((1, 2, 3), (ERROR, FAULTS[what]))
    assert parent.call("faulty", "next") == "next"


def test_what_is_aborted_is_not_seen(parent: Parent) -> None:
    send_together(parent, "full", ["a", "b"])
    parent.abort(1)
    send_together(parent, "full", ["c", "d"], 3)
    assert answers(parent, 3) == {2: (RESULT, "b"), 3: (RESULT, "c"), 4: (RESULT, "d")}
    assert calls_of(parent, 1) == [["b", "c", "d"]]
    # Nor is anything called for nobody.
    parent.request("full", 5, "e")
    parent.abort(5)
    assert calls_of(parent, 0) == []


def test_an_abort_while_it_runs(parent: Parent) -> None:
    send_together(parent, "gated", ["a", "b"])
    assert calls_of(parent, 1) == [["a", "b"]]
    parent.abort(1)
    parent.call("open_gate", None, 100)
    assert parent.receive_value() == (RESULT, 2, "b")


def test_a_call_that_nobody_waits_for_is_cancelled(parent: Parent) -> None:
    send_together(parent, "gated", ["a", "b"])
    assert calls_of(parent, 1) == [["a", "b"]]
    parent.abort(1)
    parent.abort(2)
    assert calls_of(parent, 1) == [["cancelled", "a", "b"]]
    parent.call("open_gate", None, 100)
    assert parent.call("gated", "next") == "next"


def test_the_number_of_calls_under_way(parent: Parent) -> None:
    send_together(parent, "gated", list(range(9)))
    assert calls_of(parent, 2) == [[0, 1], [2, 3]]
    parent.request("open_gate", 100)
    assert sorted(answers(parent, 10)) == [*range(1, 10), 100]
    assert parent.call("take_calls", None, 101)["most"] == 2


def test_a_time_limit_is_each_requests_own(parent: Parent) -> None:
    send_together(parent, "limited", ["a", "b", "c"])
    received = answers(parent, 3)
    assert {value["code"] for flags, value in received.values() if flags == ERROR} == {"E_TIMEOUT"}
    # The third one never began: the call before it went on until its time was over.
    assert calls_of(parent, 1) == [["a", "b"]]


def test_acks_and_requests_without_an_answer(parent: Parent) -> None:
    send_together(parent, "acked", ["a", "b"])
    assert answers(parent, 2) == {1: (ACK, "a"), 2: (ACK, "b")}
    for value in ("c", "d"):
        parent.request("unanswered", 0, value)
    taken = calls_of(parent, 1)
    wait_until(lambda: sum(map(len, taken)) == 2 or taken.extend(calls_of(parent, 1)), "both came")


def test_the_end_does_not_wait_for_what_is_gathered(parent: Parent) -> None:
    send_together(parent, "full", ["a", "b"])
    send_together(parent, "gated", ["c", "d"], 10)
    parent.call("take_calls", None, 1000)
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    told = parent.stderr_at_end()
    assert "did not end in time" not in told
    assert "Traceback" not in told
