"""What the tests of the parent have in common: workers to drive, and a loop to do it on."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil

from procwire.parent import Backoff, Change, Module, ModuleManager, SpawnPolicy

from ..loops import loop_factory
from ..processes import WINE

WORKERS = Path(__file__).resolve().parent / "workers"
DEADLINE = 60.0 if WINE else 20.0
"""Seconds after which a test gives up; nothing that works takes a tenth of it, but under wine."""
CHILDREN = ["python", "node"]
"""What workers/calls.* there are."""
if RUST_WORKER := os.environ.get("RUST_WORKER"):
    # It takes a compiler: see `make test-rust`.
    CHILDREN.append("rust")
QUICK = Backoff(first=0.01, longest=0.01)


def run(loop_name: str, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine on the loop of that name, and fail on what it leaves behind."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE):
            await main()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    with asyncio.Runner(loop_factory=loop_factory(loop_name)) as runner:
        runner.run(bounded())


def calls(child: str) -> Module:
    """The module of workers/calls.py, calls.mjs, or the binary of workers/rust."""
    module = Module("calls")
    if child == "python":
        module.executable(sys.executable, [str(WORKERS / "calls.py")])
    elif child == "node":
        module.executable("node", [str(WORKERS / "calls.mjs")])
    else:
        assert RUST_WORKER is not None
        module.executable(RUST_WORKER)
    if child == "rust":
        # It reads requests as MessagePack, whatever they are.
        module.method("raw", response_codec="raw")
    else:
        module.method("raw", codec="raw").method("note", response="none")
    for name in ("echo", "fail", "hang", "pid"):
        module.method(name)
    for name in ("count", "count_then_fail", "count_and_hang"):
        module.method(name, response="stream")
    return (
        module.method("accept", response="ack")
        .method("accept_empty", response="ack")
        .event("progress")
        .event("aborted")
    )


def broken(*arguments: str, policy: SpawnPolicy | None = None) -> Module:
    """The module of workers/broken.py; it is not tried again unless the policy says so."""
    module = Module("broken").executable(sys.executable, [str(WORKERS / "broken.py"), *arguments])
    for name in ("echo", "pid", "block", "leave"):
        module.method(name)
    return module.spawn_policy(policy or SpawnPolicy(max_retries=0))


def record(manager: ModuleManager) -> asyncio.Queue[Change]:
    """All that happens to the manager's workers from now on."""
    changes: asyncio.Queue[Change] = asyncio.Queue()
    manager.on_change(changes.put_nowait)
    return changes


async def until(changes: asyncio.Queue[Change], kind: str) -> Change:
    """The next change of that kind; others are passed over."""
    while (change := await changes.get()).kind != kind:
        pass
    return change


def events(module: Module, name: str) -> asyncio.Queue[Any]:
    """All events of that name from now on."""
    queue: asyncio.Queue[Any] = asyncio.Queue()
    module.on_event(name, queue.put_nowait)
    return queue


def gone(pid: int) -> bool:
    """Whether there is no such process any more."""
    return not psutil.pid_exists(pid)
