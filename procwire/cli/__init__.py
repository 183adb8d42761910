"""The command line: ``python -m procwire COMMAND``, or ``procwire COMMAND``.

Each command is a module of this package, named after it, with two functions: ``add_arguments``
says what it takes, and ``execute`` does it and returns the exit status. Only the module of the
command that is asked for is imported: a parent waits while ``run`` starts.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from procwire.cli.errors import CommandError, show_failure
from procwire.version import __version__

__all__ = ["main"]

COMMANDS = {
    "run": "run a worker, as a parent does",
}
"""The commands, and what each is for in a line."""

INTERRUPTED = 130
"""The exit status of a command that ^C has ended: 128 and the signal's number."""


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
    for name, summary in COMMANDS.items():
        subparser = commands.add_parser(name, help=summary, description=f"{summary}.".capitalize())
        if name == chosen:
            command = importlib.import_module(f"procwire.cli.{name}")
            command.add_arguments(subparser)
    options = parser.parse_args(words)
    assert command is not None
    try:
        status: int = command.execute(options)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except CommandError as error:
        print(f"procwire {chosen}: {error}", file=sys.stderr)
        status = error.status
    except Exception as error:
        show_failure(error)
        status = 1
    if status:
        raise SystemExit(status)
