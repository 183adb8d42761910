"""``procwire run``: serve a parent that has started this process."""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace

from procwire import logs, startup, stdio
from procwire.cli.arguments import add_loop
from procwire.cli.errors import TargetError, users_part
from procwire.cli.target import add_target, load
from procwire.control import own_process
from procwire.session import EXIT_DEADLINE

__all__ = ["add_arguments", "execute"]

_logger = logging.getLogger("procwire")


def add_arguments(parser: ArgumentParser) -> None:
    """What ``run`` takes."""
    add_target(parser)
    add_loop(parser)
    parser.add_argument(
        "--reload",
        action="store_true",
        help="for development: load the code anew when a file changes, and keep the process",
    )


def execute(options: Namespace) -> int:
    """Serve until the parent says good-bye."""
    logs.speak_up()
    # Before the user's module is imported: nothing that it prints may reach the parent.
    if not stdio.at_terminal():
        # Nor must an import that takes its time outlive a parent.
        own_process(stdio.take(), EXIT_DEADLINE)
    try:
        if options.reload:
            # Most workers have no use for it.
            from procwire.cli.reload import Reloader

            reloader = Reloader(options.target)
            client, open_session = reloader.client, reloader.open_session
        else:
            client = load(options.target)
            open_session = client._open_session
    except BaseException as error:
        if stdio.at_terminal():
            raise
        if isinstance(error, TargetError):
            _logger.error("the worker cannot start: %s: %s", type(error).__name__, error)
        else:
            _logger.error(
                "the worker cannot start", exc_info=(type(error), error, users_part(error))
            )
        startup.report_failure(error)
        return 1
    client._run(options.loop, open_session)
    return 0
