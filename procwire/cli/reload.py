"""``procwire run --reload``: the worker stays, its code is loaded anew when a file changes.

The process, its connection and the control plane are the parent's and stay as they are. What is
loaded anew is every module that is the user's: not of the standard library, not installed.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import site
import sys
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from procwire._core import watcher_set_liveness
from procwire.cli.errors import CommandError, users_part
from procwire.cli.output import note, shown_path
from procwire.cli.target import load
from procwire.client import Client
from procwire.errors import SchemaChangedError
from procwire.session import Session

__all__ = ["Reloader"]

_logger = logging.getLogger("procwire")

INTERVAL = 0.25
"""Seconds between two looks at the files."""

Stamp = tuple[int, int] | None
"""What tells that a file is another: when it was changed and its size; ``None`` when it is gone."""


class Reloader:
    """Watches the files of the user's modules, and loads them anew.

    Args:
        target: Where the client is.

    Attributes:
        client: The one that is served.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._stamps: dict[str, Stamp] = {}
        self._watching: asyncio.Task[None] | None = None
        # A file that is changed twice in a second, to the same size, would be taken from there.
        sys.dont_write_bytecode = True
        self.client = load(target)

    def open_session(self) -> Session:
        """Open the client's session, and watch the files as long as the loop runs."""
        self._watch(())
        session = self.client._open_session()
        self._watching = asyncio.get_running_loop().create_task(
            self._run(session), name="procwire-reload"
        )
        return session

    async def _run(self, session: Session) -> None:
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                changed = [path for path, stamp in self._stamps.items() if _stamp(path) != stamp]
                if changed and session.replaceable:
                    files = ", ".join(map(shown_path, changed))
                    await self._reload(f"procwire run: {files} changed", session)
        except Exception:
            _logger.exception("files are not watched any more: start the worker again")

    async def _reload(self, what: str, session: Session) -> None:
        former, modules = self.client, _users_modules()
        failure: BaseException | None = None
        try:
            client = self._import_anew(modules)
            await client._take_over(former)
        except BaseException as error:
            # A start-up may raise a CancelledError of its own.
            ends = isinstance(error, asyncio.CancelledError) and not session.replaceable
            if ends or isinstance(error, KeyboardInterrupt):
                raise
            failure = error
        else:
            self.client = client
        # Those that have failed as well: one of them will be changed next.
        self._watch([*_files(modules), *([] if failure is None else _files_of(failure))])
        if failure is None:
            note(f"{what}: reloaded")
            return
        _restore(modules)
        if isinstance(failure, SchemaChangedError):
            note(
                f"{what}: not reloaded, since the parent knows the worker as it was: {failure}; "
                "start the worker again"
            )
        elif isinstance(failure, CommandError):
            note(f"{what}: not reloaded: {failure}")
        else:
            traceback.print_exception(type(failure), failure, users_part(failure))
            note(f"{what}: not reloaded, the old code goes on")

    def _import_anew(self, modules: dict[str, ModuleType]) -> Client:
        for name in modules:
            del sys.modules[name]
        importlib.invalidate_caches()
        # In the main thread, as at the start; the loop stands still for so long.
        watcher_set_liveness(True)
        try:
            return load(self._target)
        finally:
            watcher_set_liveness(self.client._options.liveness == "process")

    def _watch(self, further: Iterable[str]) -> None:
        self._stamps = {path: _stamp(path) for path in (*_files(_users_modules()), *further)}


def _restore(modules: dict[str, ModuleType]) -> None:
    """Have the modules that go on where code looks for them."""
    for name in _users_modules():
        del sys.modules[name]
    sys.modules.update(modules)


def _users_modules() -> dict[str, ModuleType]:
    """The modules that are neither installed nor part of Python or of this package."""
    paths = sysconfig.get_paths()
    roots = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    roots += [*site.getsitepackages(), site.getusersitepackages()]
    roots.append(str(Path(__file__).resolve().parents[1]))
    others = tuple(os.path.join(os.path.realpath(root), "") for root in roots)
    return {
        name: module
        for name, module in list(sys.modules.items())
        if (path := _file(module)) is not None and not os.path.realpath(path).startswith(others)
    }


def _files(modules: dict[str, ModuleType]) -> list[str]:
    return [path for module in modules.values() if (path := _file(module)) is not None]


def _file(module: ModuleType) -> str | None:
    path = getattr(module, "__file__", None)
    return path if isinstance(path, str) and path.endswith(".py") else None


def _files_of(error: BaseException) -> list[str]:
    """The files that an exception has come from."""
    frames = traceback.extract_tb(error.__traceback__)
    found = [frame.filename for frame in frames if os.path.isfile(frame.filename)]
    if isinstance(error, SyntaxError) and error.filename is not None:
        found.append(error.filename)
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        found += _places_of(error.name)
    return found


def _places_of(module: str) -> list[str]:
    """The files that a module would be loaded from, if there was one: it may be written next."""
    package, _, name = module.rpartition(".")
    directories = getattr(sys.modules.get(package), "__path__", ()) if package else sys.path
    places = [os.path.join(directory, name) for directory in directories]
    return [*(f"{place}.py" for place in places), *(f"{place}/__init__.py" for place in places)]


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
