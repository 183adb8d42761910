"""A worker's process, and the control plane: JSON lines over its standard input and output."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import Any, cast

from procwire import forks
from procwire.parent import forked
from procwire.parent.errors import SpawnError, WorkerLostError
from procwire.parent.module import Command
from procwire.parent.patience import happens
from procwire.stdio import MODULE_NAME_VARIABLE

__all__ = ["WorkerProcess", "describe_exit"]

TOKEN_VARIABLE = "PROCWIRE_TOKEN"
MAX_LINE_SIZE = 16 * 1024 * 1024
"""Bytes of a control line; the announcement of all methods that there can be has fewer."""


class WorkerProcess(asyncio.SubprocessProtocol):
    """A worker's process, from its start until it has ended.

    Attributes:
        announced: What it offers, as it says; an exception when it says that it cannot start, or
            has ended without a word.
        exited: Its exit status; negative for the number of a signal.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.announced: asyncio.Future[Any] = loop.create_future()
        self.exited: asyncio.Future[int] = loop.create_future()
        # Done when the latest ping is answered.
        self._pong: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        # What has come of a line that has no end yet; None when it is too long.
        self._line: bytearray | None = bytearray()

    @classmethod
    async def start(cls, name: str, command: Command, token: str | None) -> WorkerProcess:
        """Start a worker; its standard error is this process's own.

        Raises:
            OSError: there is no such program, or it cannot be started.
        """
        variables = {**os.environ, **command.env, MODULE_NAME_VARIABLE: name}
        environment = {key: value for key, value in variables.items() if value is not None}
        # One that this process has inherited is somebody else's.
        environment.pop(TOKEN_VARIABLE, None)
        if token is not None:
            environment[TOKEN_VARIABLE] = token
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if type(loop).__module__.startswith("winloop"):
            # It refuses creationflags.
            _look_for(command, environment.get("PATH", ""))
        else:
            options["creationflags"] = _creation_flags()
        worker = cls(loop)

        async def start() -> None:
            worker._transport, _ = await loop.subprocess_exec(
                lambda: worker,
                *command.words,
                cwd=command.cwd,
                env=environment,
                stderr=None,
                **options,
            )
            forks.protect(worker)

        starting = loop.create_task(start())
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Not cancelled itself: uvloop would leave the process behind, and nobody could end it.
            await asyncio.wait([starting])
            if starting.exception() is None:
                await worker.end(0)
            raise
        return worker

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._transport is not None
        return self._transport.get_pid()

    # ---- asyncio.SubprocessProtocol --------------------------------------------------------

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._extend(first)
        for other in others:
            if self._line is not None:
                self._take_line(bytes(self._line))
            self._line = bytearray()
            self._extend(other)

    def process_exited(self) -> None:
        assert self._transport is not None
        status = self._transport.get_returncode()
        assert status is not None
        self.exited.set_result(status)
        # Two turns later, when what it has said before has been read.
        self._loop.call_soon(self._loop.call_soon, self._stop_listening)

    def _stop_listening(self) -> None:
        if not self.announced.done():
            status = self.exited.result()
            self._fail(
                WorkerLostError(f"the worker {describe_exit(status)} before it was ready", status)
            )

    def _fail(self, error: Exception) -> None:
        self.announced.set_exception(error)
        # Whoever has given up waiting will not ask.
        self.announced.exception()

    # ---- what is said ----------------------------------------------------------------------

    def _extend(self, data: bytes) -> None:
        if self._line is not None:
            self._line += data
            if len(self._line) > MAX_LINE_SIZE:
                self._line = None

    def _take_line(self, line: bytes) -> None:
        # Whatever else is printed there is none of the protocol's.
        if not line.startswith(b"{"):
            return
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return
        match message:
            case {"method": "$init"} if not self.announced.done():
                self.announced.set_result(message.get("params"))
            case {"method": "$error"} if not self.announced.done():
                params = message.get("params")
                text = params.get("message") if isinstance(params, dict) else None
                self._fail(SpawnError(f"the worker cannot start: {text}"))
            case {"method": "$pong"} if not self._pong.done():
                self._pong.set_result(None)

    async def ping(self, seconds: float) -> bool:
        """Ask whether it lives; whether an answer has come within so many seconds."""
        self._pong = self._loop.create_future()
        self._send({"jsonrpc": "2.0", "method": "$ping"})
        return await happens(self._pong, seconds)

    def say_good_bye(self) -> None:
        """Ask it to end."""
        self._send({"jsonrpc": "2.0", "method": "$shutdown", "params": {}})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._transport is not None
        pipe = self._transport.get_pipe_transport(0)
        # It is gone with a worker that has closed it, or has ended.
        if pipe is not None and not pipe.is_closing():
            line = json.dumps(message, separators=(",", ":")).encode("ascii")
            cast(asyncio.WriteTransport, pipe).write(line + b"\n")

    # ---- its end ---------------------------------------------------------------------------

    async def end(self, patience: float) -> int:
        """Wait until it has ended, and kill it after so many seconds; returns its exit status."""
        assert self._transport is not None
        try:
            if patience and not self.exited.done():
                await asyncio.wait([self.exited], timeout=patience)
        finally:
            # Whatever still holds its pipes, its children for instance, holds nothing of ours.
            if not self.exited.done():
                with suppress(ProcessLookupError):
                    self._transport.kill()
        await asyncio.wait([self.exited])
        forks.release(self)
        self._transport.close()
        return self.exited.result()

    def cut_off_child(self) -> None:
        """In a child process that is being forked: no worker is the child's."""
        assert self._transport is not None
        for fd in (0, 1):
            forked.sever(self._transport.get_pipe_transport(fd))


def _creation_flags() -> int:
    """Those with which a worker opens no window on Windows."""
    if sys.platform == "win32":
        import ctypes

        # A console that is there is shared: Ctrl-C and Ctrl-Break come to all of its processes, and
        # it may be the standard error.
        if not ctypes.windll.kernel32.GetConsoleCP():
            return subprocess.CREATE_NO_WINDOW
    return 0


def _look_for(command: Command, path: str) -> None:
    """Raise what winloop should: it keeps the pipes of a process that it could not start, and its
    loop cannot be closed then."""
    program = command.words[0]
    here = command.cwd or os.curdir
    if not os.path.isdir(here):
        raise FileNotFoundError(errno.ENOENT, "no such directory", here)
    if os.path.dirname(program):
        found = shutil.which(os.path.join(here, program))
    else:
        found = shutil.which(program, path=os.pathsep.join([here, path]))
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "no such program", program)


def describe_exit(status: int) -> str:
    """What has become of a process with this exit status."""
    if status < 0:
        return f"was killed by signal {-status}"
    return f"exited with status {status}"
