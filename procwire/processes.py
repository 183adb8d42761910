"""A pool of processes for handlers that compute: an abort ends the one that runs the call.

The pool of :mod:`concurrent.futures` is not used, since there the end of one process is the end of
all: each is lost with what it was at. Here a call has a process to itself, with a pipe that nobody
else uses, and a thread of the worker that waits for it. That process is killed, or dies, alone.

Processes are spawned, never forked: they have none of the worker's descriptors but standard input,
output and error, which are not the control plane, and none of its threads or locks. One is started
when a call finds no other idle, and stays. It ends with the worker, however that ends.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from procwire import forks
from procwire.errors import HandlerError
from procwire.pool_process import Handover, dump, serve
from procwire.runners import Call, Cancellable
from procwire.threads import Threads

if TYPE_CHECKING:
    from procwire._core import Method
    from procwire.pool_process import Connection

__all__ = ["Processes"]

_logger = logging.getLogger("procwire")

END_PATIENCE = 1.0
"""Seconds that a process has to end when it has closed its pipe; then it is killed."""


class RemoteTraceback(Exception):
    """The traceback of an exception in a pool process: the cause of what is raised here."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text = text

    def __str__(self) -> str:
        return f"\n{self._text}"


class Process:
    """One process of the pool, used by one thread at a time."""

    # Its start and its end are not safe for threads.
    _lifecycle = threading.Lock()

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection: Connection
        self._connection, theirs = context.Pipe()
        pipes = [self._connection, theirs]
        lifeline: Connection | None = None
        if sys.platform != "win32":
            # multiprocessing has one of its own, which every child that is forked here keeps open.
            lifeline, held = context.Pipe(duplex=False)
            pipes += [lifeline, held]
        self._pipes = forks.Pipes(*pipes)
        # A daemon has no child processes, which would outlive it when it is killed; nor does the
        # interpreter wait for it at its end.
        self._process = context.Process(
            target=serve, args=(Handover(theirs, lifeline),), name="procwire-pool", daemon=True
        )
        try:
            with self._lifecycle:
                self._process.start()
        except BaseException:
            self._pipes.close()
            raise
        theirs.close()
        if lifeline is not None:
            lifeline.close()
        self._descriptor = _descriptor_of(self._process.pid)
        # What is readable when it has ended. Other processes may keep its pipes open.
        self._end = self._descriptor or self._process.sentinel
        self._ready = False

    def call(self, payload: bytes) -> bytes:
        """Have the process run a call; blocks.

        Raises:
            EOFError, OSError: it has ended.
        """
        if not self._ready:
            # It has imported what it needs.
            self._receive()
            self._ready = True
        self._connection.send_bytes(payload)
        return self._receive()

    def _receive(self) -> bytes:
        ready = wait([self._connection, self._end])
        # It may have sent something between the one look and the other.
        if self._connection not in ready and not self._connection.poll():
            raise EOFError
        return self._connection.recv_bytes()

    @property
    def is_ready(self) -> bool:
        """Whether it has ever come so far that it could run a call."""
        return self._ready

    def has_ended(self) -> bool:
        """Whether it has, while it had nothing to do."""
        try:
            return bool(wait([self._connection, self._end], 0))
        except OSError:
            # So says Windows of a pipe that nobody else has.
            return True

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def reap(self) -> int | None:
        """Its exit status, negative for a signal; it must be about to end. Blocks."""
        with self._lifecycle:
            wait([self._end], END_PATIENCE)
            if self._process.exitcode is None:
                self._process.kill()
                self._process.join()
            status = self._process.exitcode
            self._process.close()
        self._pipes.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
        return status


def _descriptor_of(pid: int | None) -> int | None:
    """A descriptor of the process itself, where the system has such."""
    if sys.platform == "linux" and pid is not None and hasattr(os, "pidfd_open"):
        with suppress(OSError):
            return os.pidfd_open(pid)
    return None


class Job:
    """A call on its way through the pool."""

    def __init__(self, pool: Processes, function: Callable[..., Any], data: Any) -> None:
        self._pool = pool
        self._function = function
        self._data = data
        self.future: concurrent.futures.Future[None] | None = None
        # The process that runs it, and whether nobody waits for it any more; under the pool's lock.
        self.process: Process | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """Kill the process that runs it, if one does."""
        assert self.future is not None
        if not self.future.cancel():
            self._pool.kill(self)

    def run(self) -> Any:
        """Run it, in a thread."""
        payload = dump((self._function, self._data))
        result, failure = pickle.loads(self._pool.run(self, payload))
        if failure is None:
            return result
        error, traceback = failure
        error.__cause__ = RemoteTraceback(traceback)
        raise error


class Processes:
    """The pool, as a runner of methods.

    Attributes:
        threads: Each waits for a process that runs a call.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, variables: contextvars.Context, max_processes: int
    ) -> None:
        self._executor = concurrent.futures.ThreadPoolExecutor(
            max_workers=max_processes, thread_name_prefix="procwire-process"
        )
        self.threads = Threads(loop, variables, max_processes, self._executor)
        self._lock = threading.Lock()
        # All that have not ended; those that have nothing to do, the last one used at the end.
        self._processes: set[Process] = set()
        self._idle: list[Process] = []
        self._closed = False

    def call(self, call: Call, method: Method, data: Any) -> Cancellable:
        """Run a function in a process; its end reaches ``call.thread_ended``."""
        job = Job(self, method.function, data)
        job.future = self.threads.submit(call, job.run)
        return job

    def close(self) -> None:
        """Kill all; takes no more work."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for process in self._processes:
                process.kill()
            idle = self._idle[:]
            self._idle.clear()
        # Those that run something are reaped by the thread that waits for them.
        self._executor.submit(lambda: [process.reap() for process in idle])
        self._executor.shutdown(wait=False)

    def kill(self, job: Job) -> None:
        """Nobody waits for the job any more."""
        with self._lock:
            job.cancelled = True
            if job.process is not None:
                job.process.kill()

    def run(self, job: Job, payload: bytes) -> bytes:
        """Have a process run the job; blocks."""
        process = self._process_for(job)
        try:
            answer = process.call(payload)
        except (EOFError, OSError):
            self._give_back(job, process, ended=True)
            status = process.reap()
            if self._is_given_up(job):
                raise asyncio.CancelledError from None
            death = _death(status, process.is_ready)
            _logger.error("%s", death)
            raise death from None
        except BaseException:
            # Nobody knows what is in the pipe.
            process.kill()
            self._give_back(job, process, ended=True)
            process.reap()
            raise
        if self._give_back(job, process, ended=False):
            process.reap()
        return answer

    def _process_for(self, job: Job) -> Process:
        while True:
            with self._lock:
                if self._is_given_up(job):
                    raise asyncio.CancelledError
                process = self._idle.pop() if self._idle else None
                if process is not None and not process.has_ended():
                    job.process = process
                    return process
                if process is not None:
                    self._processes.discard(process)
            if process is not None:
                # It has died on its own, and nobody was hurt.
                process.reap()
                continue
            process = Process()
            with self._lock:
                self._processes.add(process)
                job.process = process
                if self._is_given_up(job):
                    process.kill()
            return process

    def _is_given_up(self, job: Job) -> bool:
        return job.cancelled or self._closed

    def _give_back(self, job: Job, process: Process, *, ended: bool) -> bool:
        """The job has no process any more; whether that one has been killed, or has ended."""
        with self._lock:
            job.process = None
            ended = ended or self._is_given_up(job)
            if ended:
                self._processes.discard(process)
            else:
                self._idle.append(process)
            return ended


def _death(status: int | None, was_ready: bool) -> HandlerError:
    """What the caller of the request is told that the process was at."""
    if status is None:
        how = "has ended"
        details: dict[str, str | int] = {}
    elif status < 0:
        name = signal.Signals(-status).name if -status in _SIGNALS else f"signal {-status}"
        how, details = f"was ended by {name}", {"signal": name}
    else:
        # The statuses of faults on Windows are known by these digits.
        shown = f"0x{status:08X}" if status > 0xFFFF else str(status)
        how, details = f"ended with status {shown}", {"status": status}
    when = "" if was_ready else " while it was starting: its standard error says why"
    return HandlerError(f"the pool process {how}{when}", code="E_PROCESS", **details)


_SIGNALS = {number.value for number in signal.Signals}
