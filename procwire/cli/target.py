"""Where a client is: ``module:name``, or ``path/to/file.py:name``."""

from __future__ import annotations

import importlib
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from types import ModuleType

from procwire.cli.errors import TargetError
from procwire.client import Client

__all__ = ["add_target", "load"]

USUAL_NAME = "client"


def add_target(parser: ArgumentParser) -> None:
    """The argument that says where the client is."""
    parser.add_argument(
        "target",
        metavar="MODULE:CLIENT",
        help="where the client is: package.module:name, or path/to/file.py:name; without a name "
        f"'{USUAL_NAME}', or the only client that the module has",
    )


def load(target: str) -> Client:
    """Import the client that a target means; the working directory is searched first.

    Raises:
        TargetError: there is no such module, or no such client in it.
        Exception: whatever the module has raised.
    """
    place, colon, name = target.rpartition(":")
    if not colon or "/" in name or os.sep in name:
        # There is none, or it is that of a drive.
        place, colon, name = target, "", ""
    if not place or (colon and not name):
        raise TargetError(f"a target is MODULE:CLIENT, got {target!r}", status=2)
    directory, module_name = _module_of(place)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise TargetError(f"{error}, neither in {directory} nor among what is installed") from None
    return _find(module, target, name)


def _module_of(place: str) -> tuple[str, str]:
    """The directory to search first, and the module's name in there."""
    if not place.endswith(".py") and os.sep not in place:
        return os.getcwd(), place
    path = Path(place).resolve()
    if not path.is_file():
        raise TargetError(f"there is no file {place}")
    names = [] if path.stem == "__init__" else [path.stem]
    directory = path.parent
    # A file of a package is imported as such, or it could not import its neighbours.
    while (directory / "__init__.py").exists():
        names.insert(0, directory.name)
        directory = directory.parent
    return str(directory), ".".join(names)


def _find(module: ModuleType, target: str, name: str) -> Client:
    if not name and not hasattr(module, USUAL_NAME):
        return _the_only(module)
    value: object = module
    for part in (name or USUAL_NAME).split("."):
        if not hasattr(value, part):
            raise TargetError(f"{module.__name__!r} has no {name!r}")
        value = getattr(value, part)
    if not isinstance(value, Client):
        raise TargetError(f"{target!r} is a {type(value).__qualname__}, not a procwire.Client")
    return value


def _the_only(module: ModuleType) -> Client:
    found = {name: value for name, value in vars(module).items() if isinstance(value, Client)}
    if not found:
        raise TargetError(f"{module.__name__!r} has no client")
    if len({id(value) for value in found.values()}) > 1:
        names = ", ".join(f"{module.__name__}:{name}" for name in found)
        raise TargetError(f"{module.__name__!r} has several clients, choose one: {names}")
    return next(iter(found.values()))
