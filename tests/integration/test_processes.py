"""Handlers in a pool of processes: an abort, or a crash, ends one call and nothing else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..processes import children as children_of
from ..processes import is_running, kill, threads
from .parent import CHUNK, ERROR, KILLED, RESULT, STREAM_END, Parent, met, wait_until

EXIT_DEADLINE = 4.4


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with Parent("pools.py", loop_name) as parent:
        yield parent


def test_a_call_in_another_process(parent: Parent) -> None:
    worker = parent.call("facts")["pid"]
    pid = parent.call("pid")
    assert pid != worker
    # It stays: nobody pays for another one.
    assert parent.call("pid") == pid
    assert parent.call("double", [1, "a"], 2) == [1, "a", 1, "a"]
    assert parent.call("facts")["max_processes"] == 2


def test_large_payloads(parent: Parent) -> None:
    parent.send_frame("double_bytes", 1, bytes(3_000_000))
    frame = parent.receive()
    assert (frame.flags, frame.payload) == (RESULT, bytes(6_000_000))


def test_an_abort_kills_the_one_that_runs_the_call(
    parent: Parent, tmp_path: Path, children: list[int]
) -> None:
    first = tmp_path / "first"
    second = tmp_path / "second"
    first.mkdir()
    second.mkdir()
    parent.request("meet", 1, str(first))
    (aborted,) = met(first, 1)
    parent.request("meet", 2, str(second))
    (other,) = met(second, 1)
    children += [aborted, other]
    # This one waits for a process, and gets a new one in the place of the first.
    parent.request("pid", 3)
    parent.abort(1)
    flags, request_id, fresh = parent.receive_value()
    assert (flags, request_id) == (RESULT, 3)
    assert fresh not in (aborted, other)
    assert not is_running(aborted)
    assert is_running(other)
    assert parent.call("pid", None, 4) == fresh


def test_a_call_that_waits_for_a_process_is_taken_out(
    parent: Parent, tmp_path: Path, children: list[int]
) -> None:
    parent.request("meet", 1, str(tmp_path))
    parent.request("meet", 2, str(tmp_path))
    children += met(tmp_path, 2)
    parent.request("meet", 3, str(tmp_path))
    parent.request("pid", 4)
    parent.abort(3)
    parent.abort(2)
    assert parent.receive_value()[:2] == (RESULT, 4)
    assert len(os.listdir(tmp_path)) == 2


def test_aborts_at_any_moment(parent: Parent) -> None:
    """While it starts, while it is sent something, while it answers."""
    for number in range(1, 61):
        parent.request("double", number, number)
        if number % 3:
            time.sleep(number % 5 * 0.0005)
            parent.abort(number)
    # Those that were not, and some that were too late.
    owed = set(range(3, 61, 3))
    while owed:
        flags, request_id, value = parent.receive_value()
        assert (flags, value) == (RESULT, 2 * request_id)
        owed.discard(request_id)
    assert parent.call("double", 21, 100) == 42
    worker = parent.call("facts", None, 101)["pid"]
    # The pool, and the process with which multiprocessing keeps track of its resources.
    wait_until(lambda: len(children_of(worker)) <= 3, "none is left over")


def test_a_time_limit_ends_c_code(parent: Parent, tmp_path: Path, children: list[int]) -> None:
    # It takes a while to start, which counts.
    children.append(pid := parent.call("pid"))
    parent.request("compute_for_a_second", 1, str(tmp_path))
    assert met(tmp_path, 1) == [pid]
    flags, _, error = parent.receive_value()
    assert (flags, error["code"]) == (ERROR, "E_TIMEOUT")
    wait_until(lambda: not is_running(pid), "the process is killed")


ERRORS = {
    "handler": {"message": "no such thing", "code": "E42", "thing": 7},
    "value": "a wrong value",
    "pickle": "this and that",
    "base": "base",
    "exit": "3",
}


@pytest.mark.parametrize("kind", ERRORS)
def test_exceptions_travel(parent: Parent, kind: str) -> None:
    parent.request("fail", 1, kind)
    assert parent.receive_value() == (ERROR, 1, ERRORS[kind])
    if kind == "value":
        # Where it was raised is in the log, and not on the wire.
        wait_until(lambda: 'raise ValueError("a wrong value")' in parent.stderr(), "it is logged")
    # The process has not ended.
    assert parent.call("double", 2) == 4


DEATHS: dict[str, tuple[str, dict[str, object]]] = {"exit": ("ended with status 3", {"status": 3})}
if sys.platform == "win32":
    DEATHS["fault"] = ("ended with status 0xC0000005", {"status": 0xC0000005})
    DEATHS["kill"] = ("ended with status 15", {"status": 15})
else:
    DEATHS["fault"] = ("was ended by SIGSEGV", {"signal": "SIGSEGV"})
    DEATHS["kill"] = ("was ended by SIGKILL", {"signal": "SIGKILL"})


@pytest.mark.parametrize("how", DEATHS)
def test_a_process_that_dies(parent: Parent, how: str, tmp_path: Path, children: list[int]) -> None:
    parent.request("meet", 1, str(tmp_path))
    children += met(tmp_path, 1)
    parent.request("die", 2, how)
    text, details = DEATHS[how]
    message = f"the pool process {text}"
    assert parent.receive_value() == (
        ERROR, 2, {"message": message, "code": "E_PROCESS", **details},
    )  # fmt: skip
    assert parent.call("double", 2, 3) == 4
    assert is_running(children[0])


def test_one_that_died_while_it_had_nothing_to_do(parent: Parent) -> None:
    pid = parent.call("pid")
    kill(pid)
    # Its threads do not end at the same time, and the last one closes its pipe.
    wait_until(lambda: not is_running(pid) and threads(pid) <= 1, "it has ended")
    assert parent.call("pid") != pid


def test_what_cannot_be_sent(parent: Parent) -> None:
    parent.request("unpicklable", 1)
    flags, _, text = parent.receive_value()
    assert flags == ERROR
    assert "pickle" in text
    assert parent.call("double", 2) == 4


def test_nothing_that_it_prints_reaches_the_parent(parent: Parent) -> None:
    parent.call("noisy")
    parent.control_message("$ping")
    assert b"$pong" in parent.line()
    parent.control_message("$shutdown")
    # The answer to the one ping was all there was.
    assert parent.line() == b""
    assert parent.wait() == 0
    assert parent.stderr_at_end().count('"$pong"') == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process has open")
def test_it_has_none_of_the_workers_descriptors(parent: Parent) -> None:
    worker = parent.call("facts")["pid"]
    own = {
        os.readlink(f"/proc/{worker}/fd/{number}") for number in os.listdir(f"/proc/{worker}/fd")
    }
    control = {
        f"pipe:[{os.fstat(pipe.fileno()).st_ino}]"
        for pipe in (parent.process.stdin, parent.process.stdout)
        if pipe is not None
    }
    assert control < own
    theirs = parent.call("descriptors")
    assert theirs["0"] == "/dev/null"
    assert theirs["1"] == theirs["2"]
    connections = {target for target in own if target.startswith("socket:")}
    assert not set(theirs.values()) & (control | connections)


@pytest.mark.parametrize("end", ["$shutdown", "EOF", "kill", "connection"])
@pytest.mark.parametrize("method", ["meet", "keep_the_lock"])
def test_they_end_with_the_worker(
    parent: Parent, end: str, method: str, tmp_path: Path, children: list[int]
) -> None:
    parent.request(method, 1, str(tmp_path))
    children += met(tmp_path, 1)
    # One that has nothing to do, too.
    children.append(parent.call("pid", None, 2))
    began = time.monotonic()
    if end == "$shutdown":
        parent.control_message("$shutdown")
    elif end == "EOF":
        parent.end_control()
    elif end == "kill":
        parent.kill()
    else:
        assert parent.socket is not None
        parent.socket.close()
    assert parent.wait() == (KILLED if end == "kill" else 0)
    wait_until(lambda: not any(map(is_running, children)), "all have ended")
    assert time.monotonic() - began < EXIT_DEADLINE
    if end != "kill":
        assert "did not end in time" not in parent.stderr_at_end()


def test_they_end_with_the_client(tmp_path: Path) -> None:
    """Also when the process goes on."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import asyncio, multiprocessing, sys, time\n"
        "from procwire import Client\n"
        "client = Client()\n"
        "@client.handle(executor='process')\n"
        "def double(data): return data * 2\n"
        "async def main():\n"
        "    await client.start()\n"
        "    await client.wait_closed()\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
        "    end = time.monotonic() + 10\n"
        "    while (left := multiprocessing.active_children()) and time.monotonic() < end:\n"
        "        time.sleep(0.01)\n"
        "    print(f'{len(left)} children are left', file=sys.stderr)\n"
    )
    with Parent(script) as parent:
        assert parent.call("double", 21) == 42
        parent.control_message("$shutdown")
        assert parent.wait() == 0
        assert "0 children are left" in parent.stderr_at_end()


def test_batches_in_a_process(parent: Parent) -> None:
    parent.call("pid")
    parent.send(
        b"".join(
            parent.frame("batched", number, payload)
            for number, payload in enumerate([b"\x01", b"\xff", b"\x02", b"\x03"], 1)
        )
    )
    answers = {parent.receive_value()[1:3].__repr__() for _ in range(4)}
    assert answers == {"(1, [1, 4])", "(2, 'no -1')", "(3, [2, 4])", "(4, [3, 4])"}


def test_executors_of_the_users(parent: Parent) -> None:
    assert parent.call("in_my_thread").startswith("mine_0 in_my_thread")
    parent.request("chunks_in_my_thread", 1, 2)
    assert [parent.receive_value()[::2] for _ in range(3)] == [
        (CHUNK, "mine_0"),
        (CHUNK, "mine_0"),
        (STREAM_END, None),
    ]
    worker = parent.call("facts")["pid"]
    assert parent.call("in_my_process") != worker
    parent.request("in_my_process", 1, "fail")
    assert parent.receive_value() == (ERROR, 1, "there")
    parent.call("end_executors")
    parent.request("in_my_process", 2)
    flags, _, text = parent.receive_value()
    assert flags == ERROR
    assert "cannot schedule new futures after shutdown" in text
    parent.control_message("$shutdown")
    assert parent.wait() == 0


def test_a_script_that_runs_the_client_when_it_is_imported(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "from procwire import Client\n"
        "client = Client()\n"
        "@client.handle(executor='process')\n"
        "def double(data): return data * 2\n"
        "client.run()\n"
    )
    with Parent(script) as parent:
        parent.request("double", 1, 21)
        flags, _, error = parent.receive_value()
        assert flags == ERROR
        assert "ended with status 1 while it was starting" in error["message"]
        wait_until(lambda: "if __name__ == '__main__':" in parent.stderr(), "the reason is told")


def test_a_function_that_no_process_can_find(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "from procwire import Client\n"
        "client = Client()\n"
        "@client.handle(executor='process')\n"
        "def double(data): return data * 2\n"
        "double = None\n"
        "if __name__ == '__main__':\n"
        "    client.run()\n"
    )
    with Parent(script, connect=False) as parent:
        message = parent.message()
        assert message["method"] == "$error"
        assert "the handler of 'double' cannot be sent to another process" in str(message)
