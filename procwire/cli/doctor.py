"""``procwire doctor``: what keeps a worker from running here, and how a parent would start it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from procwire import _core
from procwire.cli.arguments import add_loop
from procwire.cli.output import Output
from procwire.errors import ProcwireError
from procwire.parent.connecting import connect
from procwire.parent.module import Command
from procwire.parent.process import WorkerProcess
from procwire.parent.schema import Init, parse_init
from procwire.version import __version__

if sys.platform == "win32":
    from procwire import pipe_listener
else:
    from procwire import unix_listener

__all__ = ["add_arguments", "execute"]

INIT_TIMEOUT = 30.0
"""Seconds that a parent gives a worker until it is ready, unless it says otherwise."""
SHUTDOWN_PATIENCE = 5.0
"""Seconds that it gives it to end."""
NODE_PACKAGE = Path("node_modules", "@procwire", "core", "package.json")

Finding = tuple[bool | None, str, str]
"""Whether it is as it should be, ``None`` for what is merely worth knowing; what; and how it is."""


def add_arguments(parser: ArgumentParser) -> None:
    """What ``doctor`` takes."""
    parser.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:CLIENT",
        help="a worker that is started as a parent would, package.module:name or "
        "path/to/file.py:name",
    )
    add_loop(parser)


def execute(options: Namespace) -> int:
    """Print what has been found; fails when something is broken."""
    output = Output()
    broken = False

    def show(finding: Finding) -> None:
        nonlocal broken
        good, what, how = finding
        broken = broken or good is False
        mark = {True: "ok    ", None: "-     ", False: "BROKEN"}[good]
        output.line(f"{mark}  {what:<16}  {how}")

    for finding in (*_about_python(), *_about_packages(), *_about_sockets(), *_about_node()):
        show(finding)
    if options.target is not None:
        arguments = ["-m", "procwire", "run", options.target]
        if options.loop != "asyncio":
            arguments += ["--loop", options.loop]
        finding, offered = asyncio.run(_start(options.target, arguments))
        show(finding)
        if offered is not None:
            output.line("")
            for line in _snippet(arguments, offered):
                output.line(line)
    return 1 if broken else 0


def _about_python() -> Iterator[Finding]:
    version = platform.python_version()
    yield True, "interpreter", f"{sys.executable} ({platform.python_implementation()} {version})"
    yield True, "platform", platform.platform()
    yield True, "procwire", f"{__version__} in {Path(_core.__file__).parent}"


def _about_packages() -> Iterator[Finding]:
    try:
        wanted = metadata.requires("procwire") or []
    except metadata.PackageNotFoundError:
        yield None, "extras", "procwire is not installed, it runs from its sources"
        wanted = ["msgpack"]
    for requirement in wanted:
        name = requirement.split(";")[0]
        name = name[: next((at for at, sign in enumerate(name) if sign in "<>=!~ ["), len(name))]
        optional = "extra ==" in requirement
        try:
            yield True, name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield (
                (None if optional else False),
                name,
                "not installed" + (", an extra" if optional else ""),
            )


if sys.platform == "win32":

    def _about_sockets() -> Iterator[Finding]:
        try:
            name = pipe_listener.probe()
        except OSError as error:
            yield False, "named pipes", f"none can be made: {error.strerror or error}"
        else:
            yield True, "named pipes", f"{name} and the like"

else:

    def _about_sockets() -> Iterator[Finding]:
        chosen = False
        for base in unix_listener.candidates():
            try:
                size = unix_listener.probe(base)
            except OSError as error:
                yield None, "sockets in", f"{base}: no, {error.strerror or error}"
                continue
            said = f"{base}: paths have {size} bytes of {unix_listener.MAX_PATH_SIZE}"
            yield True, "sockets in", said + ("" if chosen else ", this one is taken")
            chosen = True
        if not chosen:
            yield False, "sockets", "there is no directory for them: set TMPDIR to a private one"


def _about_node() -> Iterator[Finding]:
    node = shutil.which("node")
    yield None, "node", node or "not on the path"
    for directory in (Path.cwd(), *Path.cwd().parents):
        package = directory / NODE_PACKAGE
        with suppress(OSError, ValueError, KeyError):
            version = json.loads(package.read_text(encoding="utf-8"))["version"]
            yield True, "@procwire/core", f"{version} in {package.parent}"
            return
    yield None, "@procwire/core", "not installed here (npm install @procwire/core)"


class _Visitor(asyncio.BufferedProtocol):
    """A connection on which nothing is said."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return bytearray(1)

    def leave(self) -> None:
        self._transport.close()


async def _start(target: str, arguments: list[str]) -> tuple[Finding, Init | None]:
    """Start a worker as a parent does, connect, and end it."""
    began = time.perf_counter()
    try:
        process = await WorkerProcess.start(
            "doctor", Command((sys.executable, *arguments), None, {}), None
        )
    except OSError as error:
        return (False, target, f"cannot be started: {error}"), None
    patience = 0.0
    try:
        async with asyncio.timeout(INIT_TIMEOUT):
            offered = parse_init(await asyncio.shield(process.announced))
            visitor = _Visitor()
            await connect(offered.path, visitor)
        ready = time.perf_counter() - began
        patience = SHUTDOWN_PATIENCE
        process.say_good_bye()
        visitor.leave()
    except TimeoutError:
        return (False, target, f"a parent would give up: not ready in {INIT_TIMEOUT:g} s"), None
    except (ProcwireError, OSError) as error:
        return (False, target, f"a parent would be told: {error}"), None
    finally:
        status = await process.end(patience)
    if status:
        return (False, target, f"has ended with status {status}"), offered
    counted = f"{len(offered.methods)} methods, {len(offered.events)} events"
    return (True, target, f"ready after {ready * 1000:.0f} ms: {counted}"), offered


def _snippet(arguments: list[str], offered: Init) -> list[str]:
    """The Node program that starts this worker."""
    command = f"{json.dumps(sys.executable)}, {json.dumps(arguments)}"
    lines = [
        'import { Module, ModuleManager } from "@procwire/core";',
        "",
        'const worker = new Module("worker")',
        f"  .executable({command}, {{ cwd: {json.dumps(os.getcwd())} }})",
    ]
    for name, method in offered.methods.items():
        kind = "" if method.response == "result" else f', {{ response: "{method.response}" }}'
        lines.append(f"  .method({json.dumps(name)}{kind})")
    lines += [f"  .event({json.dumps(name)})" for name in offered.events]
    lines[-1] += ";"
    return [
        *lines,
        "",
        "const manager = new ModuleManager();",
        "manager.register(worker);",
        "await manager.spawn();",
    ]
