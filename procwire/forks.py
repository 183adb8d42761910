"""Child processes that a handler forks: they have the worker's descriptors, and must not use them.

A child that runs another program, or that leaves with ``os._exit()`` as :mod:`multiprocessing`
does, never comes here again. One that returns from its handler would go on as a second worker on
the same connection: answer requests twice, and take frames away from the first.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import weakref
from typing import NoReturn, Protocol

__all__ = ["END_SIGNALS", "Pipes", "end_child", "end_if_child", "protect", "release"]

END_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)
"""Those that end a worker, as its parent's good-bye does."""

_logger = logging.getLogger("procwire")


class Worker(Protocol):
    """Whoever has something that a child must not use."""

    def cut_off_child(self) -> None: ...


_protected: weakref.WeakSet[Worker] = weakref.WeakSet()


def protect(worker: Worker) -> None:
    """Cut every child off that is forked from now on, as long as the worker lives."""
    _protected.add(worker)


def release(worker: Worker) -> None:
    """The worker has ended: it has nothing any more that a child could use."""
    _protected.discard(worker)


class End(Protocol):
    """One end of a pipe."""

    def close(self) -> None: ...


class Pipes:
    """Pipes that no child keeps open: at their other ends it matters when this process ends."""

    def __init__(self, *ends: End) -> None:
        self._ends = ends
        protect(self)

    def close(self) -> None:
        """Close these ends."""
        for end in self._ends:
            end.close()

    cut_off_child = close


def end_child() -> NoReturn:
    """End a child that has come back to the worker's code; nobody waits for its answer."""
    _logger.warning("a forked child has come back to the worker's code: it ends here")
    logging.shutdown()
    os._exit(1)


def end_if_child(pid: int) -> None:
    """End this process if it is not the one whose code this is."""
    if os.getpid() != pid:
        end_child()


if sys.platform != "win32":
    # The signal mask of a thread that is forking.
    _before = threading.local()

    def _hold_signals() -> None:
        """A signal to the child must find it cut off: until then it would end the worker."""
        _before.mask = signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS) if _protected else None

    def _release_signals() -> None:
        if _before.mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, _before.mask)

    def _in_child() -> None:
        for worker in list(_protected):
            worker.cut_off_child()
        _release_signals()

    os.register_at_fork(
        before=_hold_signals, after_in_parent=_release_signals, after_in_child=_in_child
    )
