"""A process that is a worker's own: its event loop, its signals, its exit status."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from procwire import forks, startup, stdio
from procwire._core import watcher_exit_on_signal
from procwire.control import own_process
from procwire.session import EXIT_DEADLINE, Session

__all__ = ["FAST_LOOP", "LoopName", "OwnProcess", "refuse_terminal"]

LoopName = Literal["auto", "asyncio", "uvloop", "winloop"]

FAST_LOOP = "winloop" if sys.platform == "win32" else "uvloop"
"""The one over libuv that there is for this platform."""

_logger = logging.getLogger("procwire")


def refuse_terminal(methods: int) -> None:
    """Tell a person who has started a worker in a terminal what it is for.

    Args:
        methods: How many it has.

    Raises:
        SystemExit: with status 2, when it is a person.
    """
    if stdio.module_name() is not None or not stdio.at_terminal():
        return
    # The arguments as they were, "-m procwire run …" included.
    arguments = ", ".join(json.dumps(argument) for argument in sys.orig_argv[1:])
    print(
        f"This is a Procwire worker ({methods} methods): a Node.js program starts "
        f'it with new Module("worker").executable({json.dumps(sys.executable)}, '
        f"[{arguments}]) of @procwire/core.",
        file=sys.stderr,
    )
    raise SystemExit(2)


class OwnProcess:
    """Runs a session in a process that has nothing else to do, and ends when it has ended."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._loop: asyncio.AbstractEventLoop
        # Those that end this worker, and what was set for them before.
        self._signals: dict[signal.Signals, Any] = {}

    def run(
        self,
        open_session: Callable[[], Session],
        loop: LoopName | Callable[[], asyncio.AbstractEventLoop],
    ) -> None:
        """Serve until the end.

        Raises:
            SystemExit: with status 1 when the worker cannot start, which the parent is told, or
                when its shutdown hooks have failed.
        """
        # Before the runner has its own for SIGINT.
        previous = {number: signal.getsignal(number) for number in forks.END_SIGNALS}
        forks.protect(self)
        try:
            own_process(stdio.take(), EXIT_DEADLINE)
            factory = _loop_factory(loop)
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(self._serve(open_session, previous))
        except BaseException as error:
            if self._session is not None and self._session.announced:
                raise
            _logger.exception("the worker cannot start")
            startup.report_failure(error)
            raise SystemExit(1) from None
        finally:
            forks.release(self)
        assert self._session is not None
        if self._session.running:
            # The interpreter would wait for threads that nobody can stop.
            _logger.warning("%d handlers did not end in time", self._session.running)
            logging.shutdown()
            os._exit(int(self._session.failed))
        if self._session.failed:
            raise SystemExit(1)

    async def _serve(
        self, open_session: Callable[[], Session], previous: dict[signal.Signals, Any]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        session = self._session = open_session()
        for number, handler in previous.items():
            if handler is signal.SIG_IGN:
                # Somebody has said so, nohup for instance.
                continue
            try:
                self._stop_on(number, session)
            except (RuntimeError, ValueError):
                # Only the main thread may.
                continue
            watcher_exit_on_signal(number)
            self._signals[number] = signal.SIG_DFL if handler is None else handler
        await session.start()
        await session.wait_closed()

    def _stop_on(self, number: signal.Signals, session: Session) -> None:
        if sys.platform != "win32":
            with suppress(NotImplementedError):
                self._loop.add_signal_handler(number, session.stop)
                return

        # Windows, where asyncio's loops have no handlers and winloop's are for SIGINT whatever it
        # is asked for; a signal wakes them all the same.
        def stop(_number: int, _frame: object) -> None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(session.stop)

        signal.signal(number, stop)

    def cut_off_child(self) -> None:
        """In a child process that a handler has forked: it ends when the handler has ended."""
        if self._signals:
            # The child's signals would wake the worker's loop, which ends it, and not the child.
            signal.set_wakeup_fd(-1)
            for number, handler in self._signals.items():
                signal.signal(number, handler)
        if self._session is not None:
            # What the loop would do next is the worker's affair, and its descriptors are shared.
            self._loop.call_soon(forks.end_child)


def _loop_factory(
    loop: LoopName | Callable[[], asyncio.AbstractEventLoop],
) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if callable(loop):
        return loop
    if loop == "asyncio":
        return None
    if loop not in ("auto", "uvloop", "winloop"):
        raise ValueError(
            f"loop is 'auto', 'asyncio', 'uvloop', 'winloop' or a function; got {loop!r}"
        )
    try:
        factory: Callable[[], asyncio.AbstractEventLoop]
        name = FAST_LOOP if loop == "auto" else loop
        factory = importlib.import_module(name).new_event_loop
    except ImportError:
        if loop == "auto":
            return None
        raise
    return factory
