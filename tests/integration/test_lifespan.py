"""Start-up and shutdown: in which order, in which context, and what is told when they fail."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .parent import (
    ACK,
    CHUNK,
    ERROR,
    RESULT,
    STREAM_END,
    STREAM_ERROR,
    Parent,
    ends,
    stands_still,
    wait_until,
)

MIB = 1024 * 1024
START_ERROR = {
    "message": "the worker cannot start: KeyError: 'model'",
    "code": "E_START",
    "name": "KeyError",
}


class Start:
    """A worker with a certain start-up, and what it has done."""

    def __init__(self, loop_name: str, folder: Path) -> None:
        self._loop_name = loop_name
        self._folder = folder

    def __call__(self, what: str, *, connect: bool = False) -> Parent:
        return Parent("lifespan.py", self._loop_name, what, str(self._folder), connect=connect)

    def open_gate(self) -> None:
        (self._folder / "gate").touch()

    @property
    def marks(self) -> list[str]:
        marks = self._folder / "marks"
        return marks.read_text(encoding="utf-8").splitlines() if marks.exists() else []

    def wait_mark(self, mark: str) -> None:
        wait_until(lambda: mark in self.marks, f"{mark!r} is marked")


@pytest.fixture
def start(loop_name: str, tmp_path: Path) -> Start:
    return Start(loop_name, tmp_path)


def shut_down(parent: Parent) -> int:
    parent.control_message("$shutdown")
    return parent.wait()


# ---- what goes well ------------------------------------------------------------------------------


def test_the_order(start: Start) -> None:
    with start("order", connect=True) as parent:
        assert start.marks == ["entered", "first", "second", "third", "fourth"]
        assert parent.call("state") == {"model": "loaded", "first": "LOADED"}
        parent.request("hold", 2)
        start.wait_mark("held")
        assert shut_down(parent) == 0
        assert start.marks[5:] == ["held", "released", "close 2", "close 1", "left"]
        assert parent.stderr_at_end() == ""


def test_context_variables_of_start_up_are_the_handlers(start: Start) -> None:
    expected = ["lifespan", "async hook", "thread hook"]
    with start("order", connect=True) as parent:
        for number, method in enumerate(("variable", "variable_in_thread"), 1):
            assert parent.call(method, None, number) == expected
        for kind in ("stream", "thread_stream", "inline_stream"):
            parent.request(f"variable_{kind}", 3)
            assert parent.receive_value() == (CHUNK, 3, expected)
            assert parent.receive().flags == STREAM_END
        # It runs as a callback of the loop, which is nobody's context.
        assert parent.call("variable_inline", None, 4) == []


def test_a_lifespan_may_yield_nothing(start: Start) -> None:
    with start("nothing yielded", connect=True) as parent:
        assert parent.call("state") == {}


def test_init_waits_for_start_up(start: Start) -> None:
    with start("enter waits") as parent:
        start.wait_mark("entered")
        parent.control_message("$ping")
        assert b"$pong" in parent.line()
        start.open_gate()
        parent.wait_init()
        parent.connect()
        assert parent.call("state") == {"model": "loaded"}


# ---- the end comes during start-up ---------------------------------------------------------------

every_end = ends("$shutdown", "end of input", "SIGTERM", "SIGINT")


@every_end
@pytest.mark.parametrize("what", ["hook waits", "hook is deaf"])
def test_start_up_is_given_up(start: Start, what: str, end: Callable[[Parent], None]) -> None:
    with start(what) as parent:
        start.wait_mark("waiting")
        end(parent)
        assert parent.wait() == 0
        assert parent.line() == b""
        said = ["deaf"] if what == "hook is deaf" else []
        assert start.marks == ["entered", "waiting", *said, "thrown CancelledError", "left"]
        assert parent.stderr_at_end() == ""


def test_a_start_up_that_blocks_a_thread(start: Start) -> None:
    with start("hook blocks") as parent:
        start.wait_mark("waiting")
        parent.control_message("$ping")
        assert b"$pong" in parent.line()
        began = time.monotonic()
        parent.control_message("$shutdown")
        parent.wait()
        # The parent kills after five seconds.
        assert time.monotonic() - began < 5
        assert "did not end in time" in parent.stderr_at_end()


# ---- start-up fails ------------------------------------------------------------------------------

FAILURES = {
    "enter fails": "FileNotFoundError: [Errno 2] No such file or directory: 'model.bin'",
    "enter fails with a cause": "RuntimeError: no model; caused by OSError: disk full",
    "enter fails with a group": "ExceptionGroup: unhandled errors in a TaskGroup "
    "(1 sub-exception); in it ValueError: in a child task",
    "a model yielded": "TypeError: the lifespan yields a mapping or nothing, got str",
    "hook fails": "RuntimeError: no licence",
    "hook fails and is swallowed": "RuntimeError: no licence",
    "hook exits": "SystemExit: no licence",
}


@pytest.mark.parametrize(("what", "text"), FAILURES.items(), ids=FAILURES.keys())
def test_a_failed_start_up_is_told(start: Start, what: str, text: str) -> None:
    with start(what) as parent:
        message = parent.message()
        assert message["method"] == "$error"
        expected = f"{text} (Python interpreter: {sys.executable})"
        assert message["params"]["message"] == expected
        parent.end_control()
        assert parent.wait() == 1
        left = [] if what.startswith("enter") else [f"thrown {text.split(':')[0]}", "left"]
        assert start.marks == ["entered", *left]
        assert "Traceback" in parent.stderr_at_end()


def test_no_exception_of_a_thread_is_lost(start: Start) -> None:
    """A future does not take a StopIteration."""
    with start("thread hook fails") as parent:
        assert "no licence" in parent.message()["params"]["message"]


# ---- announced early -----------------------------------------------------------------------------


def test_requests_wait_for_start_up(start: Start) -> None:
    with start("early waits for an abort", connect=True) as parent:
        start.wait_mark("waiting")
        for number in range(1, 6):
            parent.request("echo", number, number)
        parent.request("note", 0, "none")
        parent.abort(3)
        parent.control_message("$ping")
        assert b"$pong" in parent.line()
        assert start.marks == ["entered", "waiting"]
        start.open_gate()
        for number in (1, 2, 4, 5):
            assert parent.receive_value() == (RESULT, number, number)
        assert parent.call("state", None, 7) == {"model": "loaded"}
        started = ["up", "echo 1", "echo 2", "echo 4", "echo 5", "note none"]
        assert start.marks == ["entered", "waiting", *started]
        methods = parent.call("stats", None, 8)["methods"]
        assert methods["echo"] == {
            "requests": 5, "succeeded": 4, "failed": 0, "aborted": 1, "in_flight": 0, "late": 0,
        }  # fmt: skip
        assert shut_down(parent) == 0


def test_what_waits_for_start_up_is_bounded(start: Start) -> None:
    with start("early waits", connect=True) as parent:
        assert parent.socket is not None
        packet = parent.frame("note", 0, b"\xc5\xff\xff" + bytes(65535))
        sent = 0
        parent.socket.setblocking(False)

        def is_full() -> bool:
            nonlocal sent
            try:
                while sent < 64 * MIB:
                    sent += parent.socket.send(packet[sent % len(packet) :])  # type: ignore[union-attr]
            except BlockingIOError:
                # It may only have been slow: then there is room again in the end.
                return stands_still(parent) and not parent.takes_more()

        wait_until(is_full, "nothing more is read")
        # What is kept, what the worker's buffer and the sockets' hold.
        assert 4 * MIB < sent < 8 * MIB
        parent.socket.setblocking(True)
        parent.socket.settimeout(20)
        start.open_gate()
        parent.send(packet[sent % len(packet) :])
        taken = parent.call("stats")
        # stands_still() looks for so long.
        assert taken["read_paused"] > 0.2
        assert taken["bytes_in"] > sent


def test_the_end_comes_while_requests_wait(start: Start) -> None:
    with start("early waits", connect=True) as parent:
        start.wait_mark("waiting")
        parent.request("echo", 1, 1)
        assert shut_down(parent) == 0
        assert parent.at_end()
        assert start.marks == ["entered", "waiting", "thrown CancelledError", "left"]


def test_a_failed_start_up_is_the_answer_to_every_request(start: Start) -> None:
    with start("early fails", connect=True) as parent:
        start.wait_mark("waiting")
        waiting: dict[str, tuple[int, Any]] = {
            "echo": (ERROR, 1),
            "variable_in_thread": (ERROR, None),
            "variable_inline": (ERROR, None),
            "variable_stream": (STREAM_ERROR, None),
            "variable_thread_stream": (STREAM_ERROR, None),
            "accept": (ACK, None),
        }
        for number, (method, (_, value)) in enumerate(waiting.items(), 1):
            parent.request(method, number, value)
        parent.request("note", 0, "none")
        start.open_gate()
        for number, method in enumerate(waiting, 1):
            flags = STREAM_ERROR if "stream" in method else ERROR
            assert parent.receive_value() == (flags, number, START_ERROR)
        # Those that come later, too, whatever is in them.
        for number in range(10, 13):
            parent.send_frame("echo", number, b"\xc1")
            assert parent.receive_value() == (ERROR, number, START_ERROR)
        assert shut_down(parent) == 1
        assert start.marks == ["entered", "waiting", "thrown KeyError", "left"]
        log = parent.stderr_at_end()
        assert log.count("Traceback") == 1
        assert "the worker cannot start" in log


def test_a_start_up_that_has_failed_before_the_parent_connects(start: Start) -> None:
    with start("early exits") as parent:
        parent.wait_init()
        start.wait_mark("left")
        parent.connect()
        parent.request("echo", 1, 1)
        flags, _, error = parent.receive_value()
        assert (flags, error["name"]) == (ERROR, "SystemExit")
        assert shut_down(parent) == 1


def test_a_start_up_that_is_done_before_the_parent_connects(start: Start) -> None:
    start.open_gate()
    with start("early waits") as parent:
        parent.wait_init()
        start.wait_mark("up")
        parent.connect()
        assert parent.call("echo", 1) == 1


# ---- shutdown ------------------------------------------------------------------------------------


def test_a_shutdown_hook_that_fails(start: Start) -> None:
    with start("shutdown fails", connect=True) as parent:
        assert shut_down(parent) == 1
        assert start.marks == ["entered", "close 1", "left"]
        log = parent.stderr_at_end()
        assert "the shutdown hook 'close_fails' failed" in log
        assert "SystemExit: cannot close" in log


def test_a_lifespan_that_cannot_be_left(start: Start) -> None:
    with start("leaving fails", connect=True) as parent:
        assert shut_down(parent) == 1
        assert "ValueError: cannot leave" in parent.stderr_at_end()


# Between the end of its patience and that of the process there are 0.4 s.
@pytest.mark.alone
@pytest.mark.parametrize("what", ["shutdown waits", "shutdown blocks"])
def test_a_shutdown_hook_that_does_not_end(start: Start, what: str) -> None:
    with start(what, connect=True) as parent:
        began = time.monotonic()
        assert shut_down(parent) == (1 if what == "shutdown waits" else parent.process.returncode)
        assert time.monotonic() - began < 5
        assert start.marks[:2] == ["entered", "close 2"]
        if what == "shutdown waits":
            assert start.marks[2:] == ["close 2 cancelled", "thrown CancelledError", "left"]
        assert "did not end in time" in parent.stderr_at_end()


def test_hooks_run_after_a_generators_clean_up_in_its_thread(start: Start) -> None:
    with start("order", connect=True) as parent:
        parent.request("drip", 1)
        parent.receive()
        assert shut_down(parent) == 0
        assert start.marks[-4:] == ["released", "close 2", "close 1", "left"]
        assert "did not end in time" not in parent.stderr_at_end()


@pytest.mark.parametrize("method", ["immortal", "stuck"])
def test_hooks_run_after_handlers_that_do_not_end(start: Start, method: str) -> None:
    """Also when no thread is left for handlers."""
    with start("order", connect=True) as parent:
        parent.request(method, 1)
        start.wait_mark("held")
        began = time.monotonic()
        assert shut_down(parent) == 0
        assert time.monotonic() - began < 5
        assert start.marks[-3:] == ["close 2", "close 1", "left"]
