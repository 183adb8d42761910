"""What several commands take, and check in the same way."""

from __future__ import annotations

import difflib
import math
from argparse import ArgumentParser, ArgumentTypeError

from procwire.cli.errors import CommandError
from procwire.client import Client
from procwire.own_process import FAST_LOOP

__all__ = ["add_loop", "check_method", "count", "seconds"]


def add_loop(parser: ArgumentParser) -> None:
    """The argument that chooses the worker's event loop."""
    parser.add_argument(
        "--loop",
        choices=("auto", "asyncio", FAST_LOOP),
        default="asyncio",
        help=f"the event loop: auto is {FAST_LOOP} where it is installed (default: asyncio)",
    )


def seconds(text: str) -> float:
    """A number of seconds above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"a number of seconds above 0, got {text}")
    return value


def count(text: str) -> int:
    """A whole number, 1 at least."""
    value = int(text)
    if value < 1:
        raise ArgumentTypeError(f"1 at least, got {text}")
    return value


def check_method(client: Client, method: str) -> None:
    """Whether the client has a method.

    Raises:
        CommandError: it has none of that name; the text has those that it has.
    """
    names = list(client._methods)
    if method in names:
        return
    alike = difflib.get_close_matches(method, names, 1)
    hint = f"did you mean {alike[0]!r}?" if alike else f"there are: {', '.join(names) or 'none'}"
    raise CommandError(f"there is no method {method!r}; {hint}")
