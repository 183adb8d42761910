"""The command line: ``python -m procwire COMMAND``, or ``procwire COMMAND``.

Each command is a module of this package, named after it, with two functions: ``add_arguments``
says what it takes, and ``execute`` does it and returns the exit status. Only the module of the
command that is asked for is imported: a parent waits while ``run`` starts.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import threading
from collections.abc import Sequence
from types import ModuleType

from procwire.cli.errors import CommandError, is_users, show_failure
from procwire.version import __version__

__all__ = ["main"]

COMMANDS = {
    "run": "run a worker, as a parent does",
    "call": "call a method once, and print what it answers",
    "inspect": "show what a worker offers",
    "doctor": "look for what keeps a worker from running here",
    "bench": "measure a handler",
    "types": "write the parent's module in TypeScript, from the handlers' annotations",
    "attach": "debug a worker that has stopped at a breakpoint",
    "replay": "run a recording against the code, and show differences",
}
"""The commands, and what each is for in a line."""

INTERRUPTED = 130
"""The exit status of a command that ^C has ended: 128 and the signal's number."""
READER_GONE = 141
"""That of one whose standard output nobody reads any more, as the shell has it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends with ``SystemExit``, unless the status is 0.

    Args:
        arguments: The words behind the program's name; this process's own when ``None``.

    Raises:
        SystemExit: with status 2 when the arguments make no sense, with 1 when the command has
            failed, with 130 when it was interrupted.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Options of the program itself take no values: the first other word is the command.
    chosen = next((word for word in words if not word.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="procwire", description="Python workers for Node.js programs."
    )
    parser.add_argument("--version", action="version", version=f"procwire {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command: ModuleType | None = None
    chosen_parser = parser
    for name, summary in COMMANDS.items():
        subparser = commands.add_parser(name, help=summary, description=f"{summary}.".capitalize())
        if name == chosen:
            command = importlib.import_module(f"procwire.cli.{name}")
            command.add_arguments(subparser)
            chosen_parser = subparser
    if command is None:
        parser.parse_args(words)
    assert command is not None
    # Options may stand between a command's arguments.
    options = chosen_parser.parse_intermixed_args(words[words.index(str(chosen)) + 1 :])
    try:
        status: int = command.execute(options)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Exception as error:
        try:
            status = _tell(str(chosen), error)
        except BrokenPipeError:
            status = READER_GONE
    if status:
        _leave_threads(status)
        raise SystemExit(status)


def _tell(command: str, error: Exception) -> int:
    """Say why a command has failed; returns its exit status."""
    # What the system refuses the command itself, and not a connection of the user's own.
    refused = isinstance(error, OSError) and not is_users(error)
    if refused and isinstance(error, BrokenPipeError):
        return READER_GONE
    if refused or isinstance(error, CommandError):
        print(f"procwire {command}: {error}", file=sys.stderr)
        return error.status if isinstance(error, CommandError) else 1
    show_failure(error)
    return 1


def _leave_threads(status: int) -> None:
    """End now if handlers are left in threads: the interpreter would wait for them."""
    main_thread = threading.main_thread()
    if any(not thread.daemon and thread is not main_thread for thread in threading.enumerate()):
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
