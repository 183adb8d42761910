"""A handler finds itself in a real task from its first line, and nobody else's traces in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .parent import RESULT, Parent


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("tasks.py", loop_name) as parent:
        yield parent


def test_the_task_is_real(parent: Parent) -> None:
    for number in range(1, 4):
        assert parent.call("task_facts", None, number) == [True, False, 0]
        assert parent.call("task_facts", "wait", number) == [True, False, 0]
    # No task without work is left behind for somebody to wait for.
    assert [name for name in parent.call("pending") if name == "procwire-handler"] == []


def test_timeout_as_the_first_statement(parent: Parent) -> None:
    assert parent.call("timeout_first", 0.001) == "timed out"
    assert parent.call("timeout_first", 0) == "timed out"
    assert parent.call("timeout_first", -1) == "timed out"
    for number in range(1, 20):
        assert parent.call("timeout_unused", number, number) == number


def test_task_groups(parent: Parent) -> None:
    assert parent.call("task_group", 4) == [0, 1, 4, 9]
    assert parent.call("failing_task_group") == "in the group"


def test_a_cancelled_future_is_no_cancelled_handler(parent: Parent) -> None:
    assert parent.call("awaits_cancelled_future") == "the future was cancelled"


def test_a_handler_may_cancel_itself(parent: Parent) -> None:
    assert parent.call("cancel_self") == "cancelled"
    assert parent.call("cancel_self") == "cancelled"


@pytest.mark.parametrize("method", ["set_variable", "set_variable_in_thread"])
def test_context_variables_are_each_requests_own(parent: Parent, method: str) -> None:
    for number, name in enumerate(["first", "waiting", "second", "waiting", "third"], 1):
        parent.request(method, number, name)
    assert sorted(parent.receive_value() for _ in range(5)) == [
        (RESULT, number, "unset") for number in range(1, 6)
    ]


@pytest.mark.parametrize(
    "how", ["keep", "name", "callback", "cancel", "uncancel", "weakref", "nothing"]
)
def test_nobody_finds_anothers_traces(parent: Parent, how: str) -> None:
    # In one write, so that the handlers follow each other without the loop in between.
    frames = b""
    for number in range(1, 7):
        value = how if number % 2 else "nothing"
        frames += parent.frame("touch", number, b"\xd9" + bytes([len(value)]) + value.encode())
    parent.send(frames)
    for number in range(1, 7):
        assert parent.receive_value() == (RESULT, number, "")
    # What was touched has been finished as any task.
    assert all(parent.call("kept_are_done"))
    expected = {"callback": ["done False"] * 3}.get(how, [])
    assert parent.call("take_log") == expected
    assert "procwire-handler" not in parent.call("pending")


def test_a_handler_goes_on_in_the_next_turn(parent: Parent) -> None:
    # In one batch: the first handler's task may have been there before, the others' are new.
    for data, expected in ("", ["next turn"]), ("cancelled", ["next turn", "cancelled"]):
        payload = bytes([0xA0 | len(data)]) + data.encode()
        parent.send(b"".join(parent.frame("turns", number, payload) for number in range(1, 6)))
        for number in range(1, 6):
            assert parent.receive_value() == (RESULT, number, expected)


@pytest.mark.parametrize("method", ["others_call_soon", "own_call_soon"])
def test_making_tasks_does_not_disturb_the_loop(parent: Parent, method: str) -> None:
    frames = parent.frame(method, 1, b"\xc0")
    frames += b"".join(parent.frame("task_facts", n, b"\xa4wait") for n in range(2, 60))
    parent.send(frames)
    answers = {number: value for _, number, value in (parent.receive_value() for _ in range(59))}
    assert answers.pop(1) is True
    assert all(facts == [True, False, 0] for facts in answers.values())
    assert parent.call("task_facts", "wait") == [True, False, 0]


def test_many_waiting_handlers(parent: Parent) -> None:
    parent.send(b"".join(parent.frame("task_facts", n, b"\xa4wait") for n in range(1, 1001)))
    got = {parent.receive_value()[1] for _ in range(1000)}
    assert got == set(range(1, 1001))
