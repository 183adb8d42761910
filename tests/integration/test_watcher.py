"""What goes on while Python cannot: pongs, the end, and reports of a loop that stands still."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest

from ..processes import is_running, resident_kib, resume, suspend
from .parent import Parent, ends, wait_until

if sys.platform == "win32":
    import _winapi
    import msvcrt
else:
    import fcntl
    import termios

HERE = Path(__file__).resolve().parent
PING = b'{"jsonrpc":"2.0","method":"$ping"}\n'
PONG = b'{"jsonrpc":"2.0","method":"$pong"}\n'
GRACE = 4.4
"""Seconds after which the worker ends, whatever keeps it."""
LATE = 4.0
"""Seconds that it may take longer while other tests run: what hangs here hangs for an hour."""
PARENTS_PATIENCE = 5.0
"""Seconds after which a parent kills, counted from its `$shutdown`."""

LIVENESS = ["loop", "process"]


def spawn(loop_name: str, **options: Any) -> Parent:
    return Parent("watched.py", loop_name, json.dumps(options))


@pytest.fixture
def parent(loop_name: str) -> Iterator[Parent]:
    with spawn(loop_name) as parent:
        yield parent


def begin_to_hang(parent: Parent, method: str, seconds: float, request_id: int = 1) -> None:
    parent.request(method, request_id, seconds)
    wait_until(lambda: "stuck" in parent.stderr(), "the handler runs")


# ---- liveness ------------------------------------------------------------------------------------

LOCKING = ["lock_loop", "lock_loop_later", "lock_thread"]


@pytest.mark.parametrize("method", LOCKING)
def test_pongs_of_the_process_while_the_lock_is_kept(loop_name: str, method: str) -> None:
    with spawn(loop_name, liveness="process") as parent:
        begin_to_hang(parent, method, 2)
        for _ in range(50):
            parent.control(PING)
            assert parent.line() == PONG
        answered = time.monotonic()
        assert parent.receive_value()[2] > answered


@pytest.mark.parametrize("method", [*LOCKING, "block_loop"])
def test_no_pong_of_the_loop_while_it_stands_still(parent: Parent, method: str) -> None:
    parent.control(PING)
    assert parent.line() == PONG
    begin_to_hang(parent, method, 1)
    began = time.monotonic()
    parent.control(PING * 10)
    # One answer is due for all of them, and comes when the loop turns again.
    assert parent.line() == PONG
    answered = time.monotonic()
    ended = parent.receive_value()[2]
    assert answered > (ended or began + 0.5)


def load(parent: Parent, kind: str) -> subprocess.Popen[bytes]:
    assert parent.socket is not None
    descriptor = parent.socket.fileno()
    ids = {name: method["id"] for name, method in parent.init["schema"]["methods"].items()}
    inherited: dict[str, Any] = {"pass_fds": [descriptor]}
    if sys.platform == "win32":
        os.set_handle_inheritable(descriptor, True)
        inherited = {"close_fds": False}
    return subprocess.Popen(
        [sys.executable, str(HERE / "loads.py"), kind, str(descriptor), json.dumps(ids)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **inherited,
    )


@contextmanager
def under_load(parent: Parent, kind: str) -> Iterator[None]:
    if kind in ("hash", "spin"):
        for number in range(1, 5):
            parent.request(kind, number, 3600)
        yield
        return
    process = load(parent, kind)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"loads\n"
        yield
        assert process.poll() is None, "the load has gone on all the time"
    finally:
        process.kill()
        process.communicate()


LOADS = ["flood", "large payloads", "nobody reads", "hash"]


@pytest.mark.alone
@pytest.mark.parametrize(
    ("kind", "liveness"),
    # Threads that keep Python's lock take it from the loop, in turns of 5 ms each.
    [(kind, liveness) for kind in LOADS for liveness in LIVENESS] + [("spin", "process")],
)
def test_pongs_under_load(loop_name: str, kind: str, liveness: str) -> None:
    with spawn(loop_name, liveness=liveness) as parent, under_load(parent, kind):
        times = []
        for _ in range(300):
            began = time.perf_counter()
            parent.control(PING)
            assert parent.line() == PONG
            times.append(time.perf_counter() - began)
        p99 = statistics.quantiles(times, n=100)[98]
        assert p99 < 0.050, f"p99 {p99 * 1000:.1f} ms, at most {max(times) * 1000:.1f} ms"


# ---- the parent's messages -----------------------------------------------------------------------

STRANGE = {
    "invalid UTF-8": b'\xff\xfe{"method":"$shutdown"}\n{"\xc3":"\xc3"}\n',
    "NUL": b'\0{"method":"$shutdown"}\n{"method":"$shutdown"\0}\n',
    "CRLF": b'\r\n{"jsonrpc":"2.0","method":"$other"}\r\n\r\r\n',
    "a byte order mark": b'\xef\xbb\xbf{"method":"$shutdown"}\n',
    "UTF-16": '{"method":"$shutdown"}\n'.encode("utf-16") + b"\n",
    "arrays": b'[{"method":"$shutdown"}]\n["$shutdown"]\n',
    "wrong types": b'{"method":["$shutdown"]}\n{"method":{"method":"$shutdown"}}\n{"method":1}\n',
    "deep objects": b'{"a":' * 10_000 + b"\n",
    "deep arrays": b'{"a":' + b"[" * 60_000 + b"]" * 5_000 + b"}\n",
    "10 MiB without an end": b'{"method":"$shutdown","a":"' + b"x" * 10 * 1024 * 1024 + b'"}\n',
    "10 MiB of short lines": b"{}\n" * (10 * 1024 * 1024 // 3),
    "a hundred thousand pings": PING * 100_000,
}


@pytest.mark.parametrize("liveness", LIVENESS)
@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE.keys())
def test_strange_input(data: bytes, liveness: str) -> None:
    with spawn("asyncio", liveness=liveness) as parent:
        parent.control(PING)
        assert parent.line() == PONG
        before = resident_kib(parent.pid)
        parent.control(data)
        # Pongs for what was sent before may come first.
        parent.control(PING)
        assert parent.line() == PONG
        assert parent.call("echo", 1) == 1
        assert resident_kib(parent.pid) < before + 1024
        parent.control_message("$shutdown")
        assert parent.wait() == 0


def waiting_bytes(pipe: IO[bytes]) -> int:
    if sys.platform == "win32":
        return int(_winapi.PeekNamedPipe(msvcrt.get_osfhandle(pipe.fileno()))[0])
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0])


@pytest.mark.skipif(
    sys.platform not in ("linux", "win32"), reason="pipes have a fixed size here, a large one"
)
@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("liveness", LIVENESS)
def test_a_parent_that_reads_no_pongs(loop_name: str, liveness: str, blocking: bool) -> None:
    with spawn(loop_name, liveness=liveness) as parent:
        output = parent.process.stdout
        assert output is not None
        if not blocking:
            if sys.platform == "win32":
                pytest.skip("whether a handle waits is not what its other owners can change")
            assert parent.call("unblock", link_of(output.fileno())) == 1
        if sys.platform == "linux":
            # One page: it takes nothing more as soon as anything is in it.  Windows has no more.
            fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, 4096)
        parent.read_control(False)
        parent.control(PING)
        assert parent.line() == PONG
        before = resident_kib(parent.pid)
        parent.control(PING)
        wait_until(lambda: waiting_bytes(output), "a pong waits to be read")
        for _ in range(200):
            parent.control(PING)
            assert parent.call("echo", 1) == 1
        assert resident_kib(parent.pid) < before + 1024
        parent.end_control()
        assert parent.wait() == 0
        parent.read_control(True)
        while line := parent.line():
            assert line == PONG


def link_of(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


@pytest.mark.skipif(sys.platform == "win32", reason="no signal interrupts a system call")
def test_interrupted_system_calls(parent: Parent) -> None:
    parent.call("storm")
    for number in range(2, 300):
        assert parent.call("echo", number, number) == number
        parent.control(PING)
        assert parent.line() == PONG
    parent.control_message("$shutdown")
    assert parent.wait() == 0


# ---- the end -------------------------------------------------------------------------------------

every_end = ends("$shutdown", "end of input", "SIGTERM", "SIGINT", "SIGHUP")


def end_of_a_hanging_worker(parent: Parent, end: Callable[[Parent], None]) -> str:
    """What the worker says when it is ended, which must have been in time."""
    began = time.monotonic()
    end(parent)
    assert parent.wait() == 0
    assert GRACE - 0.4 < time.monotonic() - began < GRACE + LATE
    (line,) = [line for line in parent.stderr_at_end().splitlines() if "did not end" in line]
    return line.removeprefix("procwire: the worker did not end in time; ")


@every_end
def test_the_end_while_the_loop_keeps_the_lock(
    parent: Parent, end: Callable[[Parent], None]
) -> None:
    begin_to_hang(parent, "lock_loop", 3600, request_id=7)
    line = end_of_a_hanging_worker(parent, end)
    assert line == "running: lock_loop #7; in flight: none"


@every_end
def test_the_end_while_a_thread_keeps_the_lock(end: Callable[[Parent], None]) -> None:
    with spawn("asyncio") as parent:
        begin_to_hang(parent, "lock_thread", 3600, request_id=7)
        line = end_of_a_hanging_worker(parent, end)
        # The loop may have been on its way out of that request, or have gone on.
        assert re.fullmatch("running: (lock_thread #7|no handler); in flight: lock_thread #7", line)


@pytest.mark.skipif(sys.platform != "linux", reason="preloads a library as Linux does")
def test_the_last_words_wait_for_no_thread(loop_name: str, tmp_path: Path) -> None:
    library, late = tmp_path / "late_threads.so", tmp_path / "late"
    compiler = os.environ.get("CC", "cc").split()
    source = str(HERE / "late_threads.c")
    subprocess.run([*compiler, "-shared", "-fPIC", source, "-o", library, "-ldl"], check=True)
    preloaded = " ".join(filter(None, [os.environ.get("LD_PRELOAD"), str(library)]))
    environment = {"LD_PRELOAD": preloaded, "THREADS_ARE_LATE_ONCE_THERE_IS": str(late)}
    with Parent("watched.py", loop_name, "{}", environment=environment) as parent:
        begin_to_hang(parent, "lock_loop", 3600, request_id=7)
        late.touch()
        line = end_of_a_hanging_worker(parent, Parent.end_control)
        assert line == "running: lock_loop #7; in flight: none"


@pytest.mark.parametrize(
    "method", ["leave_a_thread", "leave_an_exit_handler", "leave_a_locked_exit_handler"]
)
def test_what_hangs_behind_run_is_no_orphan(parent: Parent, method: str) -> None:
    parent.call(method)
    line = end_of_a_hanging_worker(parent, Parent.end_control)
    assert line.startswith("running: no handler")


@pytest.mark.alone
@pytest.mark.parametrize("method", ["block_loop", "lock_loop", "lock_thread"])
def test_the_worker_ends_before_its_parent_kills(method: str) -> None:
    with spawn("asyncio") as parent:
        begin_to_hang(parent, method, 3600)
        began = time.monotonic()
        parent.control_message("$shutdown")
        assert parent.wait() == 0
        assert time.monotonic() - began < PARENTS_PATIENCE


def test_the_loop_of_somebody_else(tmp_path: Path, loop_name: str) -> None:
    """With start() the process is not the worker's, which must not end it."""
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, importlib, os, sys, time\n"
        "from procwire import Client\n"
        "async def main():\n"
        "    client = Client().handle('a', lambda data: data)\n"
        "    await client.start()\n"
        "    await client.wait_closed()\n"
        "    os.write(2, b'closed\\n')\n"
        f"importlib.import_module({loop_name!r}).run(main())\n"
        "time.sleep(3600)\n"
    )
    with Parent("", command=[sys.executable, str(script)], connect=False) as parent:
        parent.wait_init()
        parent.control_message("$shutdown")
        wait_until(lambda: "closed" in parent.stderr(), "the client is closed")
        with pytest.raises(subprocess.TimeoutExpired):
            parent.process.wait(GRACE + 0.5)


def test_an_import_that_hangs(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import ctypes, os, sys\n"
        "os.write(2, b'imports\\n')\n"
        "if sys.platform == 'win32': ctypes.PyDLL('kernel32').Sleep(3_600_000)\n"
        "else: ctypes.PyDLL(None).sleep(3600)\n"
    )
    command = [sys.executable, "-m", "procwire", "run", "slow:client"]
    with Parent("", command=command, cwd=tmp_path, connect=False) as parent:
        wait_until(lambda: "imports" in parent.stderr(), "the module is being imported")
        parent.end_control()
        assert parent.wait() == 0


@pytest.mark.alone
def test_shutdown_takes_no_time(loop_name: str) -> None:
    times = []
    for _ in range(7):
        with spawn(loop_name) as parent:
            assert parent.call("echo", 1) == 1
            began = time.monotonic()
            parent.control_message("$shutdown")
            assert parent.wait() == 0
            times.append(time.monotonic() - began)
    assert statistics.median(times) < 0.2, times


def test_shutdown_twice(parent: Parent) -> None:
    parent.request("wait", 1)
    parent.control_message("$shutdown")
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    assert "Traceback" not in parent.stderr_at_end()


# ---- the parent is killed ------------------------------------------------------------------------

IDLE = ["idle", "before it connects", "in mid-stream", "under backpressure"]
BUSY = ["block_loop", "lock_loop", "lock_thread"]


@pytest.mark.alone
@pytest.mark.parametrize("situation", IDLE)
def test_no_orphan_a_second_later(loop_name: str, situation: str) -> None:
    assert seconds_outlived(loop_name, situation) < 1


@pytest.mark.parametrize("situation", BUSY)
def test_no_orphan(loop_name: str, situation: str) -> None:
    assert seconds_outlived(loop_name, situation) < GRACE + LATE


def seconds_outlived(loop_name: str, situation: str) -> float:
    """How long a worker outlives a parent that is killed."""
    doomed = subprocess.Popen(
        [sys.executable, str(HERE / "doomed_parent.py"), loop_name, situation],
        stdout=subprocess.PIPE,
    )
    assert doomed.stdout is not None
    process_id, address = doomed.stdout.readline().split()
    worker = int(process_id)
    began = time.monotonic()
    doomed.kill()
    doomed.communicate()
    wait_until(lambda: not is_running(worker), "the worker is gone")
    seconds = time.monotonic() - began
    assert not os.path.exists(address)
    assert not os.path.exists(os.path.dirname(address)) or b"procwire" not in os.path.dirname(
        address
    )
    return seconds


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe is gone with its process")
def test_the_socket_of_a_worker_that_is_ended(loop_name: str) -> None:
    """Nobody has connected, and Python has no chance to remove it."""
    with Parent("watched.py", loop_name, connect=False) as parent:
        parent.wait_init()
        address = Path(parent.init["pipe"])
        assert address.exists()
        parent.kill(signal.SIGUSR1)
        wait_until(lambda: "stuck" in parent.stderr(), "the worker hangs")
        parent.end_control()
        assert parent.wait() == 0
        assert "did not end in time" in parent.stderr_at_end()
        assert not address.exists()
        assert not (address.parent.name.startswith("procwire") and address.parent.exists())


# ---- child processes -----------------------------------------------------------------------------

forks = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork()")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process has open")
@pytest.mark.parametrize("how", ["exit", "exec"])
def test_forked_children_have_nothing_of_the_parents(parent: Parent, how: str) -> None:
    private = {parent.call("connection")} | {
        link_of(pipe.fileno()) for pipe in (parent.process.stdin, parent.process.stdout) if pipe
    }
    assert len(private) == 3
    assert parent.call("fork", how) == 0
    parent.control(PING)
    assert parent.line() == PONG
    assert parent.call("echo", 1) == 1
    parent.control_message("$shutdown")
    assert parent.wait() == 0
    assert parent.line() == b""
    inherited = set(re.findall(r"open in the child: \d+ (\S+)", parent.stderr_at_end()))
    assert inherited
    assert not inherited & private


@forks
def test_a_pool_of_forked_processes(parent: Parent) -> None:
    assert parent.call("pool", [-1, -2, 3]) == [1, 2, 3]
    parent.control(PING)
    assert parent.line() == PONG


@forks
def test_a_signal_to_a_forked_child_is_its_own(parent: Parent) -> None:
    assert parent.call("terminate") == -signal.SIGTERM
    for number in range(2, 20):
        assert parent.call("echo", number, number) == number


# ---- stall reports -------------------------------------------------------------------------------

REPORT = re.compile(r"^procwire: the event loop has stood still for (\d+\.\d) s; (.*)$", re.M)


def reports(parent: Parent) -> list[tuple[str, str]]:
    return REPORT.findall(parent.stderr())


@pytest.mark.parametrize("method", ["lock_loop", "lock_loop_later", "block_loop"])
@pytest.mark.parametrize("liveness", LIVENESS)
def test_a_stall_is_reported_once(loop_name: str, liveness: str, method: str) -> None:
    with spawn(loop_name, liveness=liveness, stall_report=0.4) as parent:
        parent.request("wait", 41)
        parent.request("wait", 42)
        begin_to_hang(parent, method, 2, request_id=43)
        assert parent.receive_value()[1] == 43
        ((seconds, requests),) = reports(parent)
        assert 0.4 <= float(seconds) < 2
        last = "" if method == "lock_loop" else f", {method} #43"
        assert requests == f"running: {method} #43; in flight: wait #41, wait #42{last}"
        report = parent.stderr().split("procwire: the event loop", 1)[1]
        function = "block_loop" if method == "block_loop" else "keep_the_lock"
        # On Windows stacks have to wait for Python's lock, and who kept it is gone then.
        if sys.platform != "win32" or method == "block_loop":
            assert re.search(rf'File ".*watched\.py", line \d+ in {function}\n', report)
        # The next one is another one.
        parent.request("block_loop", 44, 1.5)
        assert parent.receive_value()[1] == 44
        assert len(reports(parent)) == 2


@pytest.mark.alone
def test_no_report_without_a_stall(loop_name: str) -> None:
    with spawn(loop_name, stall_report=0.2) as parent:
        # What takes time is not on the loop; and then nothing happens for several times as long.
        parent.request("spin", 1, 1)
        assert parent.receive_value()[1] == 1
        parent.request("lock_loop", 2, 0.05)
        assert parent.receive_value()[1] == 2
        with pytest.raises(subprocess.TimeoutExpired):
            parent.process.wait(1)
        parent.control_message("$shutdown")
        assert parent.wait() == 0
        assert "procwire:" not in parent.stderr_at_end()


def test_no_report_unless_asked_for(parent: Parent) -> None:
    begin_to_hang(parent, "block_loop", 1)
    parent.receive()
    assert parent.stderr() == "stuck\n"


def test_no_report_of_a_process_that_was_stopped(loop_name: str) -> None:
    with spawn(loop_name, stall_report=0.3) as parent:
        assert parent.call("echo", 1) == 1
        for _ in range(5):
            suspend(parent.pid)
            with pytest.raises(subprocess.TimeoutExpired):
                parent.process.wait(0.6)
            resume(parent.pid)
            assert parent.call("echo", 1) == 1
        assert reports(parent) == []


def test_a_report_has_an_end(loop_name: str) -> None:
    with spawn(loop_name, stall_report=0.3) as parent:
        parent.request("wait" * 25, 1)
        for number in range(2, 501):
            parent.request("wait", number)
        begin_to_hang(parent, "lock_loop", 1.5, request_id=1000)
        assert parent.receive_value()[1] == 1000
        ((_, requests),) = reports(parent)
        assert requests.startswith(
            f"running: lock_loop #1000; in flight: {'wait' * 16} #1, wait #2, "
        )
        assert requests.endswith(", wait #16 and 484 more")


@contextmanager
def full_pipe(room: int) -> Iterator[int]:
    """The writing end of a pipe that takes nothing, or only so many bytes, since nobody reads."""
    reading, writing = os.pipe()
    try:
        if sys.platform == "win32":
            # All that it takes.
            os.write(writing, b"x" * 4096)
        else:
            os.set_blocking(writing, False)
            with suppress(BlockingIOError):
                while True:
                    os.write(writing, b"x" * 4096)
            os.set_blocking(writing, True)
        assert not room or len(os.read(reading, room)) == room
        yield writing
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("room", [0, 4096])
def test_a_report_that_nobody_reads(loop_name: str, room: int) -> None:
    """The watcher must go on when standard error is a pipe that takes nothing, or only a part."""
    options = json.dumps({"stall_report": 0.2, "liveness": "process"})
    with (
        full_pipe(room) as stderr,
        Parent("watched.py", loop_name, options, stderr=stderr) as parent,
    ):
        parent.request("lock_quietly", 1, 3600)
        stop = time.monotonic() + 1
        while time.monotonic() < stop:
            parent.control(PING)
            assert parent.line() == PONG
        began = time.monotonic()
        parent.end_control()
        assert parent.wait() == 0
        assert time.monotonic() - began < GRACE + LATE


def test_the_timer_of_faulthandler_is_left_to_the_user(loop_name: str) -> None:
    with spawn(loop_name, stall_report=0.3) as parent:
        parent.call("own_timer", 0.1)
        wait_until(lambda: "Timeout (0:00:00.1" in parent.stderr(), "the user's timer has fired")
