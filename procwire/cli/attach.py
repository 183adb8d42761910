"""``procwire attach``: a terminal for a worker that has stopped at a breakpoint."""

from __future__ import annotations

import codecs
import io
import os
import socket
import sys
import threading
from argparse import ArgumentParser, Namespace
from contextlib import suppress

from procwire.cli.errors import CommandError
from procwire.cli.output import note
from procwire.debugger import Connection, meeting

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
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A worker may say what this terminal has no letter for.
        sys.stdout.reconfigure(errors="backslashreplace")
    with _connect(options.worker) as connection:
        # Nobody waits for it: at the end it still waits for somebody to type.
        threading.Thread(target=_send_typed, args=(connection,), daemon=True).start()
        # A letter may come in two pieces.
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while said := _receive(connection):
            sys.stdout.write(decoder.decode(said))
            sys.stdout.flush()
    note("\nthe handler goes on")
    return 0


def _send_typed(connection: Connection) -> None:
    typed = sys.stdin.fileno()
    # It may be gone; what it has said last is read by the other thread.
    with suppress(OSError, ValueError):
        while data := os.read(typed, READ_SIZE):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)


def _receive(connection: Connection) -> bytes:
    try:
        return connection.recv(READ_SIZE)
    except ConnectionError:
        return b""


def _connect(worker: str | None) -> Connection:
    """A connection to the worker's debugger."""
    for address in _addresses(worker):
        try:
            connection = meeting.connect(address)
        except ValueError:
            raise CommandError(f"{address} is neither a process id nor a socket") from None
        except OSError as error:
            raise CommandError(f"{address} cannot be connected to: {error.strerror}") from None
        if connection is not None:
            return connection
    whom = "no worker" if worker is None else f"no thread of {worker}"
    raise CommandError(f"{whom} waits at a breakpoint")


def _addresses(worker: str | None) -> list[str]:
    if worker is not None and not worker.isdecimal():
        return [worker]
    found = meeting.waiting(None if worker is None else int(worker))
    if worker is None and len(found) > 1:
        listed = "\n    ".join(found)
        raise CommandError(f"several workers wait, choose one:\n    {listed}")
    return found
