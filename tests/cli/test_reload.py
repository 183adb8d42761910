"""procwire run --reload: the process stays, its code is loaded anew."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from procwire.parent import Module, ModuleManager, SpawnPolicy

from ..parent.driving import events, run
from ..processes import is_running
from .running import logging_into

WORKER = """
import asyncio, os, sys
from contextlib import asynccontextmanager
from procwire import Client
from helper import version

@asynccontextmanager
async def lifespan(client):
    with open("lives", "a") as lives: print("begins", version, file=lives)
    {startup}
    yield {{"loaded": version}}
    with open("lives", "a") as lives: print("ends", version, file=lives)

client = Client(lifespan=lifespan)
client.event({event!r})

@client.handle
async def tell(data):
    await client.emit({event!r}, version)
    import helper  # a refused one must not be what late imports find
    return [os.getpid(), helper.version, client.state.loaded]

@client.handle(max_concurrency=1)
async def hold(data):
    sys.held = asyncio.Event()
    await sys.held.wait()
    return version

@client.handle
async def let_go(data):
    sys.held.set()

@client.handle(response="stream")
async def count(data):
    while True:
        yield version
        await asyncio.sleep(0)
"""


class Project:
    """A worker whose code a test changes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"

    def write(
        self,
        version: object,
        *,
        startup: str = "pass",
        event: str = "told",
        source: str = WORKER,
    ) -> None:
        """Another version; each file is replaced at once, as editors do."""
        source = source.format(startup=startup, event=event)
        for name, text in (("worker.py", source), ("helper.py", f"version = {version}\n")):
            path = self.directory / name
            if not path.exists() or path.read_text() != text:
                draft = self.directory / "draft"
                draft.write_text(text)
                draft.replace(path)

    def module(self, loop_name: str) -> Module:
        """The worker, its standard error in a file."""
        words = logging_into(self.log, "run", "worker", "--reload", "--loop", loop_name)
        module = Module("worker", request_timeout=10)
        module.executable(sys.executable, words, cwd=str(self.directory))
        for name in ("tell", "hold", "let_go"):
            module.method(name)
        return (
            module.method("count", response="stream")
            .event("told")
            .spawn_policy(SpawnPolicy(max_retries=0))
        )

    def lives(self) -> list[str]:
        """What the lifespans have written."""
        return (self.directory / "lives").read_text().splitlines()

    async def said(self, text: str) -> None:
        """Wait until the worker has said so."""
        while text not in self.log.read_text():
            await asyncio.sleep(0.01)


async def until(ask: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Ask until the answer is the one that is expected."""
    while await ask() != expected:
        await asyncio.sleep(0.01)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write(1)
    return project


def test_a_change_is_served_and_what_was_begun_goes_on(project: Project, loop_name: str) -> None:
    async def main() -> None:
        module = project.module(loop_name)
        told = events(module, "told")
        async with ModuleManager(module):
            pid, *answer = await module.send("tell")
            assert (answer, await told.get()) == ([1, 1], 1)
            # One is under way, one waits for it, and a stream is read from.
            held = [asyncio.ensure_future(module.send("hold")) for _ in range(2)]
            stream = module.stream("count")
            assert await anext(stream) == 1

            project.write(2)
            await until(lambda: module.send("tell"), [pid, 2, 2])
            while await told.get() != 2:
                pass
            assert await anext(stream) == 1
            assert project.lives() == ["begins 1", "begins 2"]
            await stream.aclose()
            for request in held:
                await module.send("let_go")
                assert await request == 1
            # The last request of the former code has ended.
            while len(project.lives()) < 3:
                await asyncio.sleep(0.01)
            assert project.lives() == ["begins 1", "begins 2", "ends 1"]
        assert project.lives() == ["begins 1", "begins 2", "ends 1", "ends 2"]
        assert "helper.py changed: reloaded" in project.log.read_text()

    run(loop_name, main)


def test_what_cannot_be_loaded_changes_nothing(project: Project) -> None:
    refused = {
        "procwire run: helper.py changed: not reloaded, the old code goes on": {
            "version": "1 / 0",
        },
        "SyntaxError: '(' was never closed": {"version": "("},
        "RuntimeError: no database": {
            "version": 3,
            "startup": "raise RuntimeError('no database')",
        },
        "CancelledError: of its own": {
            "version": 3,
            "startup": "raise asyncio.CancelledError('of its own')",
        },
        "the event 'other' is new; the event 'told' is gone; start the worker again": {
            "version": 4,
            "event": "other",
        },
        "procwire run: worker.py changed: not reloaded: 'worker' has no client": {
            "version": 4,
            "source": "from helper import version\n",
        },
    }

    async def main() -> None:
        module = project.module("asyncio")
        async with ModuleManager(module):
            pid, *_ = await module.send("tell")
            for said, change in refused.items():
                project.write(**change)
                await project.said(said)
                assert await module.send("tell") == [pid, 1, 1]
            project.write(5)
            await until(lambda: module.send("tell"), [pid, 5, 5])
        assert project.lives()[-2:] == ["ends 1", "ends 5"]
        assert str(Path("procwire/cli")) not in project.log.read_text()

    run("asyncio", main)


def test_a_module_that_is_written_after_the_one_that_imports_it(project: Project) -> None:
    async def main() -> None:
        module = project.module("asyncio")
        async with ModuleManager(module):
            pid, *_ = await module.send("tell")
            project.write(2, source=WORKER.replace("import version", "import version; import late"))
            await project.said("No module named 'late'")
            (project.directory / "late.py").write_text("import package.later\n")
            await project.said("No module named 'package'")
            package = project.directory / "package"
            package.mkdir()
            (package / "__init__.py").touch()
            await project.said("No module named 'package.later'")
            assert await module.send("tell") == [pid, 1, 1]
            (package / "later.py").touch()
            await until(lambda: module.send("tell"), [pid, 2, 2])

    run("asyncio", main)


# So it is for paths of two drives of Windows.
OTHER_DRIVE = """
import os.path
def no_way(path): raise ValueError("path is on mount 'D:', start on mount 'C:'")
os.path.relpath = no_way
"""


def test_a_file_on_another_drive(project: Project) -> None:
    async def main() -> None:
        project.write(1, source=OTHER_DRIVE + WORKER)
        module = project.module("asyncio")
        async with ModuleManager(module):
            pid, *_ = await module.send("tell")
            project.write(2, source=OTHER_DRIVE + WORKER)
            await until(lambda: module.send("tell"), [pid, 2, 2])
        shown = project.directory / "helper.py"
        assert f"procwire run: {shown} changed: reloaded" in project.log.read_text()

    run("asyncio", main)


def test_what_ends_the_watching_is_logged(project: Project) -> None:
    async def main() -> None:
        project.write(1, startup="import procwire.cli.reload as cli; cli._stamp = None")
        module = project.module("asyncio")
        async with ModuleManager(module):
            await project.said("files are not watched any more: start the worker again\nTraceback")
            await project.said("TypeError: 'NoneType' object is not callable")
            _, *answer = await module.send("tell")
            assert answer == [1, 1]

    run("asyncio", main)


def test_the_end_comes_while_former_code_still_runs(project: Project, loop_name: str) -> None:
    async def main() -> None:
        module = project.module(loop_name)
        async with ModuleManager(module):
            pid, *_ = await module.send("tell")
            held = asyncio.ensure_future(module.send("hold"))
            project.write(2)
            await until(lambda: module.send("tell"), [pid, 2, 2])
            assert not held.done()
        assert sorted(project.lives()) == ["begins 1", "begins 2", "ends 1", "ends 2"]
        await asyncio.wait([held])
        assert held.exception() is not None
        assert not is_running(pid)

    run(loop_name, main)
