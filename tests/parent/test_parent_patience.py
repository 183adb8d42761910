"""How long a parent waits for a worker, while the one or the other stands still."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from procwire.errors import NotConnectedError
from procwire.parent import (
    Heartbeat,
    ModuleManager,
    SpawnPolicy,
)
from procwire.parent.process import WorkerProcess

from ..processes import interpreter, resume, suspend
from .driving import QUICK, broken, calls, gone, record, run, until


def test_a_worker_that_hangs_is_found_and_killed(loop_name: str) -> None:
    async def main() -> None:
        policy = SpawnPolicy(
            heartbeat=Heartbeat(interval=0.05, timeout=0.5), restart_on_crash=True,
            restart_backoff=QUICK,
        )  # fmt: skip
        module = broken("works", policy=policy)
        async with ModuleManager(module) as manager:
            changes = record(manager)
            pid = await module.send("pid")
            with pytest.raises(NotConnectedError):
                await module.send("block")
            lost = (await until(changes, "lost")).error
            assert "ping within 0.5 s" in str(lost)
            await until(changes, "ready")
            assert gone(pid)
            assert await module.send("pid") != pid

    run(loop_name, main)


def test_pings_of_every_child(loop_name: str, child: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: asyncio.Queue[bool] = asyncio.Queue()
    ping = WorkerProcess.ping

    async def recorded(process: WorkerProcess, seconds: float) -> bool:
        answers.put_nowait(answer := await ping(process, seconds))
        return answer

    monkeypatch.setattr(WorkerProcess, "ping", recorded)

    async def main() -> None:
        policy = SpawnPolicy(
            heartbeat=Heartbeat(interval=0.01, timeout=1), restart_on_crash=True,
            restart_backoff=QUICK,
        )  # fmt: skip
        module = calls(child).spawn_policy(policy)
        async with ModuleManager(module) as manager:
            changes = record(manager)
            assert [await answers.get() for _ in range(3)] == [True] * 3
            pid = await module.send("pid")
            suspend(pid)
            assert "ping within 1 s" in str((await until(changes, "lost")).error)
            await until(changes, "ready")
            assert gone(pid)
            assert await module.send("pid") != pid

    run(loop_name, main)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_parent_that_stood_still_kills_nobody(
    loop_name: str, stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: asyncio.Queue[bool] = asyncio.Queue()
    ping = WorkerProcess.ping

    async def in_a_debugger(process: WorkerProcess, seconds: float) -> bool:
        worker = interpreter(process.pid)
        if stopped:
            # As Ctrl-Z does with all of a terminal's processes.
            suspend(worker)
        pinging = asyncio.ensure_future(ping(process, seconds))
        await asyncio.sleep(0)
        time.sleep(2 * seconds)  # noqa: ASYNC251
        if stopped:
            resume(worker)
        answers.put_nowait(answer := await pinging)
        return answer

    monkeypatch.setattr(WorkerProcess, "ping", in_a_debugger)

    async def main() -> None:
        policy = SpawnPolicy(heartbeat=Heartbeat(interval=60, timeout=0.5))
        async with ModuleManager(broken("works", policy=policy)):
            assert await answers.get()

    run(loop_name, main)


def test_a_start_while_the_parent_stands_still(
    loop_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = WorkerProcess.start

    async def in_a_debugger(*arguments: Any) -> WorkerProcess:
        process = await start(*arguments)
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, time.sleep, 2)
        return process

    monkeypatch.setattr(WorkerProcess, "start", in_a_debugger)

    async def main() -> None:
        policy = SpawnPolicy(init_timeout=1, max_retries=0)
        async with ModuleManager(module := broken("works", policy=policy)):
            assert await module.send("echo", 1) == 1

    run(loop_name, main)
