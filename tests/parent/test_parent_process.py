"""The control plane as a parent reads it, byte by byte."""

from __future__ import annotations

import asyncio
import ctypes
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from procwire.parent import process
from procwire.parent.errors import SpawnError
from procwire.parent.module import Command
from procwire.parent.process import MAX_LINE_SIZE, WorkerProcess

from .driving import run

INIT = json.dumps({"jsonrpc": "2.0", "method": "$init", "params": {"pipe": "p"}}).encode()


def test_control_lines(loop_name: str) -> None:
    async def main() -> None:
        lines = WorkerProcess(asyncio.get_running_loop())
        for data in (
            b"printed by somebody\n{broken\n[]\n{}\n",
            b"{" * 5000 + b"\n",
            b"{" + b"x" * (MAX_LINE_SIZE // 2),
            b"x" * MAX_LINE_SIZE + INIT + b"\n",
        ):
            lines.pipe_data_received(1, data)
        assert not lines.announced.done()
        for index in range(len(INIT)):
            lines.pipe_data_received(1, INIT[index : index + 1])
        assert not lines.announced.done()
        lines.pipe_data_received(1, b"\n{")
        assert lines.announced.result() == {"pipe": "p"}

    run(loop_name, main)


@pytest.mark.parametrize("console", [False, True])
def test_no_window_is_opened(monkeypatch: pytest.MonkeyPatch, console: bool) -> None:
    """No test can see a window: Windows is a mock here, on Windows as well."""
    kernel = SimpleNamespace(GetConsoleCP=lambda: 850 if console else 0)
    with monkeypatch.context() as windows:
        windows.setattr(sys, "platform", "win32")
        windows.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
        windows.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
        flags = process._creation_flags()
    assert flags == (0 if console else 0x08000000)


def test_what_a_worker_is_started_with(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, Any]] = []

    class NotStartedError(Exception):
        pass

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def subprocess_exec(*_: object, **options: Any) -> None:
            started.append(options)
            raise NotStartedError

        with monkeypatch.context() as mocked:
            mocked.setattr(process, "_creation_flags", lambda: 7)
            mocked.setattr(type(loop), "subprocess_exec", subprocess_exec)
            with pytest.raises(NotStartedError):
                await WorkerProcess.start("m", Command((sys.executable,), None, {}), None)

    run("asyncio", main)
    assert started[0]["creationflags"] == 7


def test_a_worker_that_says_why_it_cannot_start(loop_name: str) -> None:
    async def main() -> None:
        lines = WorkerProcess(asyncio.get_running_loop())
        lines.pipe_data_received(1, b'{"method":"$error","params":{"message":"no model"}}\n')
        lines.pipe_data_received(1, INIT + b"\n")
        with pytest.raises(SpawnError, match="no model"):
            await lines.announced

    run(loop_name, main)
