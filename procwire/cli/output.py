"""Standard output for results, standard error for everything else."""

from __future__ import annotations

import errno
import os
import sys
import time

from procwire.cli.errors import CommandError
from procwire.failures import printable

__all__ = ["Output", "Progress", "note", "shown_path"]

PROGRESS_INTERVAL = 0.1
"""Seconds between two states of the progress line: more would only flicker."""


class Output:
    """Standard output, taken for a command's results: what the user's code prints, its C libraries
    and child processes included, goes to standard error from now on.
    """

    def __init__(self) -> None:
        if sys.stdout is None:
            raise CommandError("standard output is closed")
        sys.stdout.flush()
        # Unbuffered: a result is there when it has come, and nothing is left for a reader that
        # has gone.
        self._file = open(os.dup(1), "wb", buffering=0)  # noqa: SIM115
        os.dup2(2, 1)

    def line(self, text: str) -> None:
        """Write a line, a lone surrogate as JSON spells it."""
        self.write(printable(text).encode() + b"\n")

    def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            if sys.platform == "win32" and error.errno == errno.EINVAL:
                # So its C library says that nobody reads any more.
                raise BrokenPipeError from None
            raise


class Progress:
    """A line on standard error that is written over again and again; only on a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0
        self._last = 0.0

    def show(self, text: str) -> None:
        """What the line says now; nothing if it has changed a moment ago."""
        now = time.monotonic()
        if self._shown and now - self._last >= PROGRESS_INTERVAL:
            self._last = now
            print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = max(self._width, len(text))

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)
            self._width = 0


def note(text: str) -> None:
    """Say something that is no result."""
    print(text, file=sys.stderr, flush=True)


def shown_path(path: str) -> str:
    """An absolute path as it is shown: from the working directory, where a way leads from there."""
    try:
        return os.path.relpath(path)
    except (ValueError, OSError):
        # It is on another drive of Windows, or the working directory is gone.
        return path
