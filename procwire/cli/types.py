"""``procwire types``: the parent's module in TypeScript."""

from __future__ import annotations

import importlib.util
from argparse import ArgumentParser, Namespace
from pathlib import Path

from procwire.cli.errors import CommandError
from procwire.cli.output import Output
from procwire.cli.target import add_target, load
from procwire.failures import printable

__all__ = ["add_arguments", "execute"]


def add_arguments(parser: ArgumentParser) -> None:
    """What ``types`` takes."""
    add_target(parser)
    parser.add_argument("-o", "--output", type=Path, help="the file; standard output by default")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and fail when the file is stale"
    )


def execute(options: Namespace) -> int:
    """Write it, or say whether what has been written is stale."""
    if options.check and options.output is None:
        raise CommandError("--check needs --output, the file to look at", status=2)
    if importlib.util.find_spec("msgspec") is None:
        raise CommandError("needs msgspec: pip install 'procwire[typed]'")
    from procwire.typescript.module import module_source

    output = Output()
    try:
        source = printable(module_source(load(options.target), options.target))
    except (TypeError, ValueError) as error:
        raise CommandError(str(error)) from error
    if options.check:
        if not options.output.is_file() or options.output.read_text("utf-8") != source:
            raise CommandError(
                f"{options.output} is stale: python -m procwire types {options.target} "
                f"-o {options.output}"
            )
    elif options.output is not None:
        options.output.write_text(source, "utf-8", newline="\n")
    else:
        output.write(source.encode())
    return 0
