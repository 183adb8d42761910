"""Handlers that fork: the child cannot reach the parent, and ends without harm."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from .parent import RESULT, Parent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork()")


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("forks.py", loop_name) as parent:
        yield parent


CHILDREN = {
    # It leaves with a status of its own.
    "exit_at_once": 7,
    # These come back to the worker's code, which ends them.
    "return_from_handler": 1,
    "exit_from_handler": 1,
    "fork_in_thread": 1,
}


@pytest.mark.parametrize("method", CHILDREN)
def test_a_forked_child(parent: Parent, method: str) -> None:
    # The answer is the worker's, which waits for the child; the child's own would come first.
    assert parent.call(method, None, 1) == CHILDREN[method]
    assert parent.call("echo", "still here", 2) == "still here"
    parent.control_message("$ping")
    assert b"$pong" in parent.line()
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    assert parent.at_end()
    # Whoever had inherited it would keep it open.
    said = parent.stderr_at_end().count("a forked child has come back from its handler")
    assert said == (method != "exit_at_once")


def test_nothing_is_left_open(parent: Parent) -> None:
    for name in ("thread_echo", "echo"):
        parent.send(b"".join(parent.frame(name, number, b"\x01") for number in range(1, 201)))
        for _ in range(200):
            parent.receive()
    before = parent.call("facts")
    for _ in range(5):
        for name in ("thread_echo", "echo", "exit_at_once"):
            parent.send(b"".join(parent.frame(name, number, b"\x01") for number in range(1, 41)))
            for _ in range(40):
                assert parent.receive().flags == RESULT
    assert parent.call("facts") == before
