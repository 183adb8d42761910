"""A parent in Python that does exactly what a test tells it to, byte by byte.

It spawns a real worker process and talks to it over its real pipes and its real socket, with
blocking calls and a deadline on each.
"""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgpack
import pytest

from procwire import MsgpackCodec
from procwire._core import METHOD_ID_ABORT, METHOD_ID_AUTH, Frame, FrameReader, pack_header

from .. import processes

if sys.platform == "win32":
    from .pipe import Pipe

WORKERS = Path(__file__).resolve().parent / "workers"
KILLED = 1 if sys.platform == "win32" else -9
"""The exit status of a worker that is killed."""
DEADLINE = 60.0 if processes.WINE else 20.0
"""Seconds after which a test gives up; nothing that works takes a tenth of it, but under wine."""

RESULT = 0x03
ERROR = 0x07
ACK = 0x23
CHUNK = 0x0B
STREAM_END = 0x1B
STREAM_ERROR = 0x0F
EVENT = 0x01

_codec = MsgpackCodec()


class Parent:
    """A spawned worker and the connection to it."""

    def __init__(
        self,
        worker: str | Path,
        *arguments: str,
        connect: bool = True,
        environment: dict[str, str] | None = None,
        command: list[str] | None = None,
        cwd: str | Path | None = None,
        stderr: int = subprocess.PIPE,
    ) -> None:
        inherited = {**os.environ, "PROCWIRE_MODULE_NAME": "test", **(environment or {})}
        self.process = subprocess.Popen(
            command or [sys.executable, str(WORKERS / worker), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=inherited,
            cwd=cwd,
            # Ctrl-Break goes to a whole group, which is not to be that of the tests.
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._reads = threading.Event()
        self._reads.set()
        self._errors: list[bytes] = []
        self._readers = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.socket: socket.socket | None = None
        self.reader = FrameReader()
        self._frames: list[Frame] = []
        self.init: dict[str, Any] = {}
        if connect:
            try:
                self.wait_init()
                self.connect()
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker, whatever state it is in."""
        if self.socket is not None:
            self.socket.close()
        self.read_control(True)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    # ---- the control plane ---------------------------------------------------------------------

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
            self._reads.wait()
        self._lines.put(None)

    def _read_stderr(self) -> None:
        for line in self.process.stderr or ():
            self._errors.append(line)

    def line(self) -> bytes:
        """The next line of the worker's standard output; empty at its end."""
        line = self._lines.get(timeout=DEADLINE)
        # The first control message comes behind an empty line, whatever was printed before.
        return self.line() if line == b"\n" else line or b""

    def read_control(self, reads: bool) -> None:
        """Whether the worker's standard output is read, from the next line on."""
        if reads:
            self._reads.set()
        else:
            self._reads.clear()

    def message(self) -> dict[str, Any]:
        line = self.line()
        assert line, f"the worker's output has ended\n{self.stderr()}"
        loaded: dict[str, Any] = json.loads(line)
        return loaded

    def wait_init(self) -> None:
        message = self.message()
        assert message["method"] == "$init", message
        self.init = message["params"]

    def control(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def control_message(self, method: str) -> None:
        self.control(json.dumps({"jsonrpc": "2.0", "method": method}).encode() + b"\n")

    def end_control(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def stderr(self) -> str:
        # Windows ends lines in its own way, but not those of os.write().
        return b"".join(self._errors).decode(errors="replace").replace("\r\n", "\n")

    def stderr_at_end(self) -> str:
        """All of standard error; the worker must have ended."""
        self._readers[1].join(DEADLINE)
        return self.stderr()

    def wait(self) -> int:
        """The exit code."""
        return self.process.wait(DEADLINE)

    @property
    def pid(self) -> int:
        """The worker's process."""
        return processes.interpreter(self.process.pid)

    def kill(self, number: int | None = None) -> None:
        """Send a signal; without one, end the worker at once."""
        if number is None:
            self.process.kill()
        else:
            self.process.send_signal(number)

    # ---- the data plane ------------------------------------------------------------------------

    def open_socket(self, patience: float = DEADLINE) -> socket.socket:
        """A connection to the worker; TimeoutError when it is not let in."""
        if sys.platform == "win32":
            pipe: Any = Pipe.open(self.init["pipe"], patience)
            pipe.settimeout(DEADLINE)
            return pipe
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.settimeout(patience)
        try:
            opened.connect(self.init["pipe"])
            opened.settimeout(DEADLINE)
        except BaseException:
            opened.close()
            raise
        return opened

    def connect(self, token: str | None = None) -> None:
        self.socket = self.open_socket()
        if token is not None:
            self.send_frame(METHOD_ID_AUTH, 0, token.encode())

    def method_id(self, method: str | int) -> int:
        if isinstance(method, int):
            return method
        number: int = self.init["schema"]["methods"][method]["id"]
        return number

    def send(self, data: bytes) -> None:
        assert self.socket is not None
        self.socket.sendall(data)

    def takes_more(self) -> bool:
        """Whether the system would take more of what is sent."""
        assert self.socket is not None
        if sys.platform == "win32":
            taken: bool = self.socket.takes_more()
            return taken
        return bool(select.select([], [self.socket], [], 0)[1])

    def frame(self, method: str | int, request_id: int, payload: bytes = b"") -> bytes:
        return pack_header(self.method_id(method), 0, request_id, len(payload)) + payload

    def send_frame(self, method: str | int, request_id: int, payload: bytes = b"") -> None:
        self.send(self.frame(method, request_id, payload))

    def request(self, method: str, request_id: int, value: Any = None) -> None:
        """Send a MessagePack request."""
        self.send_frame(method, request_id, msgpack.packb(value))

    def abort(self, request_id: int) -> None:
        self.send_frame(METHOD_ID_ABORT, request_id)

    def receive(self) -> Frame:
        """The next frame."""
        assert self.socket is not None
        while not self._frames:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"the worker has closed the connection\n{self.stderr()}")
            self._frames += self.reader.feed(data)
        return self._frames.pop(0)

    def receive_value(self) -> tuple[int, int, Any]:
        """Flags, request id and value of the next frame, which is MessagePack or empty."""
        frame = self.receive()
        value = _codec.decode(frame.payload) if frame.payload else None
        return frame.flags, frame.request_id, value

    def call(self, method: str, value: Any = None, request_id: int = 1) -> Any:
        """Send a request and return the value of its result."""
        self.request(method, request_id, value)
        flags, answered, result = self.receive_value()
        assert (flags, answered) == (RESULT, request_id), (flags, answered, result)
        return result

    def at_end(self) -> bool:
        """Whether nothing but the end of the connection is left to be received."""
        try:
            self.receive()
        except (EOFError, ConnectionResetError):
            return True
        return False


def lose_connection(parent: Parent) -> None:
    """Hang up, and say nothing on the control plane."""
    assert parent.socket is not None
    parent.socket.close()
    parent.socket = None


SIGNALS: dict[str, int]
"""Those that end a worker as its parent's good-bye does."""
if sys.platform == "win32":
    SIGNALS = {"Ctrl-Break": signal.CTRL_BREAK_EVENT}
else:
    SIGNALS = {name: getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP")}


def ends(*names: str) -> pytest.MarkDecorator:
    """Have a test try these ways to end a worker; Windows has one event for all signals."""
    ways: dict[str, Callable[[Parent], None]] = {
        "$shutdown": lambda parent: parent.control_message("$shutdown"),
        "end of input": lambda parent: parent.end_control(),
        "lost connection": lose_connection,
    }
    chosen = [pytest.param(ways[name], id=name) for name in names if name in ways]
    without = pytest.mark.skipif(processes.WINE, reason="wine has no console without a display")
    wanted = (
        list(SIGNALS) if sys.platform == "win32" else [name for name in names if name in SIGNALS]
    )
    for name in wanted:
        kill = partial(Parent.kill, number=SIGNALS[name])
        chosen.append(pytest.param(kill, id=name, marks=without))
    return pytest.mark.parametrize("end", chosen)


class Workers:
    """Workers that go from test to test: to start one takes longer than most tests."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, ...], Parent] = {}

    def close(self) -> None:
        for parent in self._idle.values():
            parent.close()

    @contextmanager
    def borrow(self, *arguments: str) -> Iterator[Parent]:
        """A worker with a method `take_log`; whoever fails keeps it."""
        parent = self._idle.pop(arguments, None) or Parent(*arguments)
        try:
            yield parent
            # What a test has not received is not to be found by the next one.
            parent.call("take_log", None, 0xFFFFFFFF)
        except BaseException:
            parent.close()
            raise
        self._idle[arguments] = parent


def wait_until(condition: Any, what: str) -> None:
    """Poll a condition of another process, which has no way to tell."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"it did not come to pass that {what}")
        time.sleep(0.005)


def met(directory: Path, count: int) -> list[int]:
    """The processes that have touched a file there."""
    wait_until(lambda: len(os.listdir(directory)) >= count, f"{count} processes are there")
    return [int(name) for name in os.listdir(directory)]


def stands_still(parent: Parent) -> bool:
    """Whether the worker has used no processor time for a while: it waits for its parent."""

    def used() -> float:
        return processes.processor_seconds(parent.pid)

    before = used()
    time.sleep(0.2)
    return used() == before
