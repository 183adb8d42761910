"""Ends of workers that are asked to end."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from procwire.parent import (
    Module,
    ModuleManager,
    WorkerLostError,
)
from procwire.parent.process import WorkerProcess

from .driving import broken, calls, gone, record, run, until


def test_every_child_ends_when_it_is_asked_to(
    loop_name: str, child: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("procwire.parent.supervisor.SHUTDOWN_PATIENCE", 3600)
    ends: list[int] = []
    end = WorkerProcess.end

    async def recorded(process: WorkerProcess, patience: float) -> int:
        ends.append(status := await end(process, patience))
        return status

    monkeypatch.setattr(WorkerProcess, "end", recorded)

    async def main() -> None:
        module = calls(child)
        async with ModuleManager(module):
            pid = await module.send("pid")
        assert ends == [0]
        assert gone(pid)

    run(loop_name, main)


def test_a_worker_that_ends_badly_when_it_is_asked_to(
    loop_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        manager = ModuleManager(broken("takes down badly"))
        changes = record(manager)
        for _ in range(2):
            async with manager:
                pass
            error = (await until(changes, "closed")).error
            assert isinstance(error, WorkerLostError)
            assert error.exit_status == 1
            assert str(error) == "the worker exited with status 1 when it was shut down"
            assert str(error) in caplog.text
            caplog.clear()

    run(loop_name, main)


def test_what_was_sent_last_arrives(loop_name: str, tmp_path: Path) -> None:
    async def main() -> None:
        script = (
            "import pathlib, sys\n"
            "from procwire import Client\n"
            "client = Client()\n"
            "@client.handle('note', response='none', sync_to_thread=False)\n"
            "def note(data): pathlib.Path(sys.argv[1]).write_text(str(len(data)))\n"
            "client.handle('echo', lambda data: data)\n"
            "client.run()\n"
        )
        note = tmp_path / "note"
        module = Module("notes").executable(sys.executable, ["-P", "-c", script, str(note)])
        module.method("note", response="none").method("echo")
        async with ModuleManager(module):
            # A worker that has not taken its connection over when it is asked to end never does.
            await module.send("echo")
            # Far more than the socket holds.
            await module.send("note", bytes(32 * 1024 * 1024))
        assert note.read_text() == str(32 * 1024 * 1024)

    run(loop_name, main)


def test_what_was_sent_last_arrives_though_the_worker_floods(
    loop_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How fast a machine is, or what stands in for its pipes, is not the question.
    monkeypatch.setattr("procwire.parent.supervisor.FLUSH_PATIENCE", 3600)

    async def main() -> None:
        script = (
            "import pathlib, sys\n"
            "from procwire import Client, NotConnectedError\n"
            "client = Client().event('tick')\n"
            "@client.handle('note', response='none', sync_to_thread=False)\n"
            "def note(data): pathlib.Path(sys.argv[1]).write_text(str(len(data)))\n"
            "@client.handle(response='none')\n"
            "async def flood(data):\n"
            "    try:\n"
            "        while True: await client.emit('tick', bytes(60_000))\n"
            "    except NotConnectedError: pass\n"
            "client.run()\n"
        )
        note, ticks = tmp_path / "note", asyncio.Event()
        module = Module("notes").executable(sys.executable, ["-P", "-c", script, str(note)])
        module.method("note", response="none").method("flood", response="none").event("tick")
        module.on_event("tick", lambda _: ticks.set())
        async with ModuleManager(module):
            await module.send("flood")
            await ticks.wait()
            await module.send("note", bytes(100 * 1024 * 1024))
        assert note.read_text() == str(100 * 1024 * 1024)

    run(loop_name, main)
