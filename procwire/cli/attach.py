"""``procwire attach``: a terminal for a worker that has stopped at a breakpoint."""

from __future__ import annotations

import os
import select
import socket
import sys
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from pathlib import Path

from procwire.cli.errors import CommandError
from procwire.cli.output import note
from procwire.debugger import waiting

__all__ = ["add_arguments", "execute"]

READ_SIZE = 64 * 1024


def add_arguments(parser: ArgumentParser) -> None:
    """What ``attach`` takes."""
    parser.add_argument(
        "worker",
        nargs="?",
        metavar="PID",
        help="the worker's process id, or the path that it has printed (default: the only one "
        "that waits)",
    )


def execute(options: Namespace) -> int:
    """Connect this terminal with the debugger until the handler goes on."""
    with _connect(options.worker) as connection:
        typed = sys.stdin.fileno()
        sources = [connection.fileno(), typed]
        while True:
            readable, _, _ = select.select(sources, [], [])
            if typed in readable:
                data = os.read(typed, READ_SIZE)
                if data:
                    # It may be gone; what it has said last is read below.
                    with suppress(OSError):
                        connection.sendall(data)
                else:
                    sources.remove(typed)
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_WR)
            if connection.fileno() in readable:
                said = _receive(connection)
                if not said:
                    note("\nthe handler goes on")
                    return 0
                sys.stdout.write(said.decode(errors="replace"))
                sys.stdout.flush()


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(READ_SIZE)
    except ConnectionError:
        return b""


def _connect(worker: str | None) -> socket.socket:
    """A connection to the worker's debugger."""
    for path in _paths(worker):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except ConnectionRefusedError:
            # Its worker was killed.
            connection.close()
            _remove(path)
        except OSError as error:
            connection.close()
            raise CommandError(f"{path} cannot be connected to: {error.strerror}") from None
        else:
            return connection
    whom = "no worker" if worker is None else f"no thread of {worker}"
    raise CommandError(f"{whom} waits at a breakpoint")


def _paths(worker: str | None) -> list[Path]:
    if worker is not None and not worker.isdecimal():
        path = Path(worker)
        if not path.is_socket():
            raise CommandError(f"{worker} is neither a process id nor a socket")
        return [path]
    found = waiting(None if worker is None else int(worker))
    if worker is None and len(found) > 1:
        listed = "\n    ".join(str(path) for path in found)
        raise CommandError(f"several workers wait, choose one:\n    {listed}")
    return found


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
    if path.name == "s":
        with suppress(OSError):
            path.parent.rmdir()
