"""The command line: ``python -m procwire run module:client``."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from procwire import logs, startup, stdio
from procwire.client import Client
from procwire.control import own_process
from procwire.session import EXIT_DEADLINE
from procwire.typescript import command as types

__all__ = ["load", "main"]

_logger = logging.getLogger("procwire")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; returns or raises ``SystemExit``."""
    parser = argparse.ArgumentParser(
        prog="procwire", description="Python workers for Node.js programs."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a worker, as a parent does")
    run.add_argument("target", help="where the client is: module:name, the name being 'client'")
    run.add_argument("--loop", choices=("auto", "asyncio", "uvloop"), default="asyncio")
    types.add_parser(commands)
    options = parser.parse_args(arguments)
    if options.command == "types":
        types.run(options, load)
        return
    logs.speak_up()
    # Before the user's module is imported: nothing that it prints may reach the parent.
    if not os.isatty(0):
        # Nor must an import that takes its time outlive a parent.
        own_process(stdio.take(), EXIT_DEADLINE)
    try:
        client = load(options.target)
    except BaseException as error:
        if os.isatty(0):
            raise
        _logger.exception("the worker cannot start")
        startup.report_failure(error)
        raise SystemExit(1) from None
    client.run(loop=options.loop)


def load(target: str) -> Client:
    """Import the client that ``module:name`` means; the working directory is searched first.

    Raises:
        ValueError: there is no client of that name in the module.
        ImportError: there is no such module.
    """
    module_name, _, name = target.partition(":")
    directory = os.getcwd()
    if directory not in sys.path:
        sys.path.insert(0, directory)
    value: object = importlib.import_module(module_name)
    for part in (name or "client").split("."):
        if not hasattr(value, part):
            raise ValueError(f"{module_name!r} has no {name or 'client'!r}")
        value = getattr(value, part)
    if not isinstance(value, Client):
        raise ValueError(f"{target!r} is a {type(value).__qualname__}, not a procwire.Client")
    return value
