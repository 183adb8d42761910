"""``python -m procwire types module:client``."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from procwire.registrations import Registrations

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Tell the command line of this command."""
    parser = commands.add_parser(
        "types", help="write the parent's module in TypeScript, from the handlers' annotations"
    )
    parser.add_argument("target", help="where the client is: module:name, the name being 'client'")
    parser.add_argument("-o", "--output", type=Path, help="the file; standard output by default")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, and fail when the file is stale"
    )


def run(options: argparse.Namespace, load: Callable[[str], Registrations]) -> None:
    """Run it.

    Raises:
        SystemExit: with status 1 when the file is stale or the module cannot be written, with
            status 2 for wrong arguments.
    """
    if options.check and options.output is None:
        print("procwire types: --check needs --output, the file to look at", file=sys.stderr)
        raise SystemExit(2)
    if importlib.util.find_spec("msgspec") is None:
        raise SystemExit("procwire types needs msgspec: pip install 'procwire[typed]'")
    from procwire.typescript.module import module_source

    try:
        source = module_source(load(options.target), options.target)
    except (TypeError, ValueError) as error:
        raise SystemExit(f"procwire types: {error}") from error
    if options.check:
        if not options.output.is_file() or options.output.read_text("utf-8") != source:
            raise SystemExit(
                f"{options.output} is stale: python -m procwire types {options.target} "
                f"-o {options.output}"
            )
    elif options.output is not None:
        options.output.write_text(source, "utf-8", newline="\n")
    else:
        sys.stdout.write(source)
