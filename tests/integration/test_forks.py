"""Handlers that fork: the child cannot reach the parent, and ends without harm."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ..processes import is_running
from .parent import CHUNK, ERROR, RESULT, STREAM_END, Parent, met, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork()")


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("forks.py", loop_name) as parent:
        yield parent


@contextmanager
def worker(loop_name: str, *arguments: str) -> Iterator[Parent]:
    """Children that a failure leaves behind would keep its standard error open."""
    with Parent("forks.py", loop_name, *arguments, connect=False) as parent:
        try:
            parent.wait_init()
            parent.connect()
            yield parent
        except BaseException:
            for child in psutil.Process(parent.pid).children(recursive=True):
                child.kill()
            raise


CHILDREN = {
    # These leave with a status of their own.
    "exit_at_once": 7,
    "emit_in_child": 7,
    # These come back to the worker's code, which ends them.
    "return_from_handler": 1,
    "exit_from_handler": 1,
    "fork_in_thread": 1,
    "fork_in_executor": 1,
    "fork_in_generator": 1,
    "fork_in_pool": 1,
    # These use what only the worker has.
    "respond_in_child": 1,
    "wait_in_child": 1,
}


@pytest.mark.parametrize("around", ["alone", "middleware"])
@pytest.mark.parametrize("method", CHILDREN)
def test_a_forked_child(loop_name: str, method: str, around: str) -> None:
    with worker(loop_name, around) as parent:
        check_child(parent, method, CHILDREN[method])


def test_a_child_of_a_hook(loop_name: str) -> None:
    with worker(loop_name, "hook") as parent:
        check_child(parent, "fork_in_hook", 1)


def check_child(parent: Parent, method: str, status: int) -> None:
    parent.request(method, 1)
    flags, _, value = parent.receive_value()
    # The answer is the worker's, which waits for the child; the child's own would come first.
    assert value == status
    if flags == CHUNK:
        assert parent.receive().flags == STREAM_END
    assert parent.call("echo", "still here", 2) == "still here"
    assert parent.call("echo_in_pool", "its own answer", 3) == "its own answer"
    parent.control_message("$ping")
    assert b"$pong" in parent.line()
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    assert parent.at_end()
    # Whoever had inherited it would keep it open.
    said = parent.stderr_at_end().count("a forked child has come back to the worker's code")
    assert said == (status == 1)


HELPERS = [
    "forked",
    "program",
    pytest.param(
        "forked by C",
        marks=pytest.mark.skipif(
            not hasattr(os, "pidfd_open"), reason="no descriptor of a process can be waited for"
        ),
    ),
]


@pytest.mark.parametrize("kind", HELPERS)
def test_a_helper_of_a_pool_process(
    parent: Parent, kind: str, tmp_path: Path, children: list[int]
) -> None:
    """It outlives the pool process, and nobody waits for it."""
    parent.request("die_with_a_helper", 1, [kind, str(tmp_path)])
    children += met(tmp_path, 1)
    flags, _, error = parent.receive_value()
    assert (flags, error["code"]) == (ERROR, "E_PROCESS")
    parent.request("hang_with_a_helper", 2, [kind, str(tmp_path)])
    children[:] = met(tmp_path, 2)
    parent.abort(2)
    assert parent.call("echo_in_pool", "the next", 3) == "the next"
    assert all(map(is_running, children))


def test_a_pool_process_ends_with_the_worker(parent: Parent, children: list[int]) -> None:
    """Also when that is killed and a child of it goes on."""
    pool = parent.call("pid_in_pool", None, 1)
    children.append(parent.call("helper", None, 2))
    # The pool process is not harmed by what the child has closed.
    assert parent.call("pid_in_pool", None, 3) == pool
    parent.kill()
    wait_until(lambda: not is_running(pool), "it has ended")
    assert is_running(children[0])


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


def test_a_signal_while_a_child_is_being_forked(tmp_path: Path, loop_name: str) -> None:
    """It comes to the child before that has been cut off from the worker's event loop."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import os, signal, sys\n"
        "os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))\n"
        "from procwire import Client\n"
        "client = Client()\n"
        "def fork(data):\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        os._exit(0)\n"
        "    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])\n"
        "client.handle('in_thread', fork).handle('in_loop', fork, sync_to_thread=False)\n"
        "client.run(loop=sys.argv[1])\n"
    )
    with Parent("", command=[sys.executable, str(script), loop_name]) as parent:
        for method in ("in_loop", "in_thread", "in_loop"):
            assert parent.call(method) == -signal.SIGTERM
        # What the worker's own signals do is as it was.
        parent.kill(signal.SIGTERM)
        assert parent.wait() == 0
