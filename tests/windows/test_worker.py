"""Workers on Windows: pipes of others, standard handles, signals, and ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from procwire._core import METHOD_ID_ABORT

from ..integration.parent import DEADLINE, RESULT, Parent, wait_until
from ..processes import WINE
from . import api

HERE = Path(__file__).resolve().parent
WORKER = HERE / "worker.py"


@contextmanager
def start(loop_name: str, token: str | None = None, **options: Any) -> Iterator[Parent]:
    """A worker whose client has these options."""
    environment = {} if token is None else {"PROCWIRE_TOKEN": token}
    arguments = (loop_name, json.dumps(options))
    with Parent(WORKER, *arguments, connect=False, environment=environment) as parent:
        parent.wait_init()
        yield parent


def test_the_address_is_a_pipe(loop_name: str) -> None:
    with start(loop_name) as parent:
        beginning = rf"\\.\pipe\procwire-{parent.process.pid}-"
        address = parent.init["pipe"]
        assert address.startswith(beginning)
        assert len(bytes.fromhex(address.removeprefix(beginning))) == 16


def test_a_parent_that_writes_nothing_now_and_then(loop_name: str) -> None:
    with start(loop_name) as parent:
        handle = api.open_plainly(parent.init["pipe"])
        frame = parent.frame("echo", 1, b"\x2a")
        for piece in (b"", frame[:5], b"", frame[5:11], b"", frame[11:], b""):
            api.write_plainly(handle, piece)
        assert api.read_plainly(handle, 12) == bytes([0, 1, RESULT, 0, 0, 0, 1, 0, 0, 0, 1, 42])
        api.write_plainly(handle, b"")
        api.write_plainly(handle, frame)
        assert api.read_plainly(handle, 12)[-1] == 42
        api.close(handle)
        assert parent.wait() == 0


@pytest.mark.parametrize("size", [0, 1, 70_000, 4 * 1024 * 1024])
def test_payloads(loop_name: str, size: int) -> None:
    with start(loop_name, default_codec="raw") as parent:
        parent.connect()
        payload = bytes(index % 251 for index in range(size))
        # Of a pipe that nobody reads a worker's writes wait: read while it is sent.
        sending = threading.Thread(target=parent.send_frame, args=("echo", 1, payload))
        sending.start()
        assert parent.receive().payload == payload
        sending.join()


def test_the_pipe_is_closed_to_others(loop_name: str) -> None:
    with start(loop_name) as parent:
        parent.connect()
        assert parent.call("echo", 1) == 1
        with pytest.raises(OSError, match=r"busy|file|use"):
            api.open_plainly(parent.init["pipe"])
        assert parent.call("echo", 2, 2) == 2


def test_silent_strangers_do_not_keep_the_parent_out(loop_name: str) -> None:
    with start(loop_name, token="sesame") as parent:
        strangers = [api.open_plainly_when_free(parent.init["pipe"]) for _ in range(8)]
        strangers.append(api.open_plainly_when_free(parent.init["pipe"]))
        api.write_plainly(strangers[-1], parent.frame(0xFFFE, 0, b"wrong"))
        # It is another connection for each, as there may be others meanwhile.
        wait_until(lambda: _connects(parent, "sesame"), "the parent is let in")
        assert parent.call("echo", 1) == 1
        for handle in strangers:
            api.close(handle)


def _connects(parent: Parent, token: str) -> bool:
    try:
        parent.connect(token)
    except OSError:
        return False
    return True


def test_standard_output_is_the_control_planes(loop_name: str) -> None:
    with start(loop_name) as parent:
        parent.connect()
        line = '{"jsonrpc":"2.0","method":"$error","params":{"message":"not mine"}}'
        assert parent.call("says", line) == ""
        parent.control_message("$ping")
        # Nothing is before it.
        assert parent.message() == {"jsonrpc": "2.0", "method": "$pong"}
        parent.control_message("$shutdown")
        assert parent.wait() == 0
        assert parent.line() == b""
        assert parent.stderr_at_end().count("not mine") == 5


def test_shutdown(loop_name: str) -> None:
    with start(loop_name) as parent:
        parent.connect()
        parent.request("wait", 1)
        assert parent.call("echo", 1, 2) == 1
        parent.control_message("$shutdown")
        assert parent.wait() == 0


def test_the_end_of_standard_input(loop_name: str) -> None:
    with start(loop_name) as parent:
        parent.end_control()
        assert parent.wait() == 0


def test_the_end_of_the_connection(loop_name: str) -> None:
    with start(loop_name) as parent:
        parent.connect()
        assert parent.call("echo", 1) == 1
        assert parent.socket is not None
        parent.socket.close()
        assert parent.wait() == 0


@pytest.mark.parametrize("method", [None, "wait", "keeps_the_lock"])
def test_the_parent_is_killed(loop_name: str, method: str | None) -> None:
    command = [sys.executable, str(HERE / "doomed_parent.py"), str(WORKER), loop_name, "{}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        init = json.loads(parent.stdout.readline())["params"]
        if method is not None:
            handle = api.open_plainly(init["pipe"])
            number = init["schema"]["methods"][method]["id"]
            # 30,000 as MessagePack has it.
            payload = b"\xcd\x75\x30" if method == "keeps_the_lock" else b"\xc0"
            header = bytes([0, number, 0, 0, 0, 0, 1, 0, 0, 0, len(payload)])
            api.write_plainly(handle, header + payload)
        parent.kill()
    worker.wait(DEADLINE)
    if method is not None:
        api.close(handle)


@pytest.mark.alone
def test_a_handler_that_keeps_the_lock_is_ended(loop_name: str) -> None:
    with start(loop_name) as parent:
        parent.connect()
        parent.request("keeps_the_lock", 1, 60_000)
        parent.control_message("$shutdown")
        began = time.monotonic()
        assert parent.wait() == 0
        assert time.monotonic() - began < 30
        assert "the worker did not end in time; running: keeps_the_lock #1" in (
            parent.stderr_at_end()
        )


def test_pings_are_answered_while_the_lock_is_kept(loop_name: str) -> None:
    with start(loop_name, liveness="process") as parent:
        parent.connect()
        assert parent.call("echo", 1) == 1
        parent.request("keeps_the_lock", 2, 1_500)
        for _ in range(5):
            parent.control_message("$ping")
            assert parent.message() == {"jsonrpc": "2.0", "method": "$pong"}
        assert parent.receive().request_id == 2


def test_a_ping_waits_for_the_loop(loop_name: str) -> None:
    with start(loop_name) as parent:
        parent.connect()
        parent.request("blocks", 1, 0.5)
        parent.control_message("$ping")
        # The answer is sent when the loop turns, which the ping has to wait for.
        assert parent.receive().request_id == 1
        assert parent.message() == {"jsonrpc": "2.0", "method": "$pong"}


@pytest.mark.parametrize(("method", "argument"), [("blocks", 1.5), ("keeps_the_lock", 1_500)])
def test_a_stall_is_reported_with_all_stacks(loop_name: str, method: str, argument: float) -> None:
    with start(loop_name, stall_report=0.3) as parent:
        parent.connect()
        assert parent.call("echo", 1) == 1
        parent.request(method, 2, argument)
        assert parent.receive().request_id == 2
        # Those of C code that keeps the lock come when it has given it back.
        seen = f"in {method}" if method == "blocks" else "(most recent call first)"
        wait_until(lambda: seen in parent.stderr(), "the stacks are there")
        report = parent.stderr()
        assert "the event loop has stood still for 0." in report
        assert f"running: {method} #2" in report
        # It goes on, and says nothing while it does.
        assert parent.call("echo", 3, 3) == 3
        assert parent.stderr().count("has stood still") == 1


@pytest.mark.skipif(WINE, reason="wine has no console here that could send it")
def test_ctrl_break_is_a_good_bye(loop_name: str) -> None:
    arguments = [sys.executable, str(WORKER), loop_name, "{}"]
    with Parent("", command=arguments, connect=False) as parent:
        parent.wait_init()
        parent.connect()
        parent.request("wait", 1)
        assert parent.call("echo", 1, 2) == 1
        parent.kill(signal.CTRL_BREAK_EVENT)
        assert parent.wait() == 0


def test_an_abort_over_a_pipe_has_no_payload(loop_name: str) -> None:
    with start(loop_name) as parent:
        parent.connect()
        parent.request("wait", 7)
        parent.send_frame(METHOD_ID_ABORT, 7)
        assert parent.call("echo", "there", 8) == "there"


def test_it_has_no_more_threads_than_it_needs(loop_name: str) -> None:
    with start(loop_name) as parent:
        parent.connect()
        assert parent.call("threads") == ["MainThread"]
