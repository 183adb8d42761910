"""Lives of real workers: their states, losses and restarts, and who may end them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

from procwire.errors import AlreadyStartedError, NotConnectedError
from procwire.parent import (
    Backoff,
    Module,
    ModuleManager,
    SpawnError,
    SpawnPolicy,
    State,
    WorkerLostError,
)

from ..processes import KILLED, children, kill
from .driving import QUICK, broken, calls, gone, record, run, until

RESTARTS = SpawnPolicy(restart_on_crash=True, restart_backoff=QUICK, max_restarts=1)
NEEDS_EAGER_TASKS = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="Python 3.11 has no eager tasks"
)


def make_eager(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
    """asyncio.eager_task_factory, which uvloop calls with an option that it does not have."""
    make: Any = asyncio.Task
    return make(coroutine, loop=loop, **{**options, "eager_start": True})


def test_states_of_a_life(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python")
        states = [module.state]
        module.on_state(states.append)
        async with ModuleManager(module) as manager:
            pid = await module.send("pid")
            with pytest.raises(AlreadyStartedError):
                await manager.spawn()
        assert gone(pid)
        assert states == ["created", "initializing", "connecting", "ready", "closed"]
        await manager.spawn("calls")
        assert await module.send("pid") != pid
        await manager.shutdown("calls")
        await manager.unregister("calls")
        assert "calls" not in manager

    run(loop_name, main)


def test_a_worker_is_started_once_whoever_asks(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python")
        manager, another = ModuleManager(module), ModuleManager(module)
        spawns = manager.spawn(), manager.spawn(), another.spawn()
        _, *refused = await asyncio.gather(*spawns, return_exceptions=True)
        assert [type(error) for error in refused] == [AlreadyStartedError] * 2
        await another.shutdown()
        assert await module.send("echo", 1) == 1
        await manager.shutdown()
        assert module.state == "closed"

    run(loop_name, main)


@pytest.mark.parametrize("eager", [False, pytest.param(True, marks=NEEDS_EAGER_TASKS)])
def test_a_worker_that_is_started_by_whoever_is_told_of_its_end(
    loop_name: str, eager: bool
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        if eager:
            loop.set_task_factory(make_eager)
        module = broken("works")
        manager = ModuleManager(module)
        states: list[State] = []
        again = loop.create_future()

        async def start_again(state: State) -> None:
            states.append(state)
            if state == "closed" and not again.done():
                await manager.spawn()
                again.set_result(None)

        module.on_state(start_again)
        others = children(os.getpid())
        await manager.spawn()
        changes = record(manager)
        pid = manager.pid("broken")
        assert pid is not None
        kill(pid)
        await again
        assert children(os.getpid()) - others == {manager.pid("broken")}
        await manager.shutdown()
        assert children(os.getpid()) == others
        start: list[State] = ["initializing", "connecting", "ready"]
        assert states == [*start, "disconnected", "closed", *start, "closed"]
        kinds = [changes.get_nowait().kind for _ in range(changes.qsize())]
        assert kinds == ["lost", "closed", "ready", "closed"]

    run(loop_name, main)


@NEEDS_EAGER_TASKS
def test_a_start_that_whoever_is_told_of_it_takes_back() -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(make_eager)
        module = broken("works")
        manager = ModuleManager(module)
        ends: list[asyncio.Task[None]] = []

        def end(state: State) -> None:
            if state == "initializing":
                ends.append(asyncio.create_task(manager.shutdown()))

        module.on_state(end)
        with pytest.raises(SpawnError, match="shut down"):
            await manager.spawn()
        assert module.state == "closed"
        await asyncio.gather(*ends)

    run("asyncio", main)


@pytest.mark.parametrize("moment", ["initializing", "connecting", "ready"])
def test_a_shutdown_at_any_moment_of_a_start(loop_name: str, moment: State) -> None:
    async def main() -> None:
        module = broken("works")
        manager = ModuleManager(module)
        ends: list[asyncio.Task[None]] = []

        def end(state: State) -> None:
            if state == moment:
                ends.append(asyncio.create_task(manager.shutdown()))

        module.on_state(end)
        others = children(os.getpid())
        with suppress(SpawnError):
            await manager.spawn()
        await asyncio.gather(*ends)
        assert module.state == "closed"
        assert children(os.getpid()) == others

    run(loop_name, main)


def test_a_shutdown_concerns_the_managers_own_workers(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python")
        first, second = ModuleManager(module), ModuleManager(module)
        async with first:
            pass
        async with second:
            pid = second.pid("calls")
            await first.shutdown()
            assert module.state == "ready"
            with pytest.raises(AlreadyStartedError):
                await first.spawn()
            assert await module.send("pid") == pid
        assert module.state == "closed"

    run(loop_name, main)


def test_a_manager_outlives_its_loop(loop_name: str) -> None:
    module = calls("python")
    manager = ModuleManager(module)

    async def leave() -> None:
        await manager.spawn()

    # The runner's end cancels what is left, and so ends the worker.
    asyncio.run(leave())
    assert module.state == "closed"
    run(loop_name, manager.shutdown)

    async def again() -> None:
        async with manager:
            assert await module.send("echo", 1) == 1

    run(loop_name, again)


def test_whoever_is_told_cannot_end_a_worker(
    loop_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        module = calls("python")

        def looks_at_a_cancelled_future(what: object) -> None:
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            future.result()

        module.on_state(looks_at_a_cancelled_future)
        manager = ModuleManager(module)
        manager.on_change(looks_at_a_cancelled_future)
        async with manager:
            assert await module.send("echo", 1) == 1

    run(loop_name, main)
    assert "a handler of changes failed" in caplog.text


def test_a_worker_that_is_killed_is_started_again(loop_name: str) -> None:
    async def main() -> None:
        module = calls("python").spawn_policy(RESTARTS)
        async with ModuleManager(module) as manager:
            changes = record(manager)
            pid = await module.send("pid")
            call = asyncio.create_task(module.send("hang", 1))
            await asyncio.sleep(0)
            kill(pid)
            with pytest.raises(NotConnectedError, match="before 'hang' had answered"):
                await call
            lost = (await until(changes, "lost")).error
            assert isinstance(lost, WorkerLostError)
            assert lost.exit_status == KILLED
            assert (await until(changes, "restarting")).delay == QUICK.first
            await until(changes, "ready")
            again = await module.send("pid")
            assert again != pid
            # One restart is allowed: this is the end.
            kill(again)
            assert isinstance((await until(changes, "closed")).error, WorkerLostError)
            assert module.state == "closed"

    run(loop_name, main)


@pytest.mark.parametrize("works", [True, False])
def test_a_start_before_a_restart(loop_name: str, works: bool) -> None:
    async def main() -> None:
        policy = SpawnPolicy(
            restart_on_crash=True, restart_backoff=Backoff(first=3600, longest=3600), max_retries=0
        )
        module = calls("python").spawn_policy(policy)
        async with ModuleManager(module) as manager:
            changes = record(manager)
            kill(pid := await module.send("pid"))
            await until(changes, "restarting")
            with pytest.raises(AlreadyStartedError):
                await ModuleManager(module).spawn()
            if not works:
                module.executable("no-such-program")
                with pytest.raises(SpawnError):
                    await manager.spawn("calls")
                assert module.state == "closed"
                return
            starts = manager.spawn("calls"), manager.spawn("calls")
            _, refused = await asyncio.gather(*starts, return_exceptions=True)
            assert isinstance(refused, AlreadyStartedError)
            assert await module.send("pid") == manager.pid("calls") != pid
            kinds = [changes.get_nowait().kind for _ in range(changes.qsize())]
            assert kinds == ["ready"]

    run(loop_name, main)


def test_a_worker_that_leaves_is_not_started_again_by_default(loop_name: str) -> None:
    async def main() -> None:
        module = broken("works")
        async with ModuleManager(module) as manager:
            changes = record(manager)
            with pytest.raises(NotConnectedError):
                await module.send("leave", 7)
            # What has become of it is not known yet.
            with pytest.raises(NotConnectedError, match="it is disconnected"):
                await module.send("leave", 7)
            closed = (await until(changes, "closed")).error
            assert isinstance(closed, WorkerLostError)
            assert closed.exit_status == 7

    run(loop_name, main)


def test_a_manager_is_a_collection_of_names() -> None:
    modules = [Module(name).executable("x").method("a") for name in ("one", "two")]
    manager = ModuleManager(*modules)
    assert list(manager) == ["one", "two"]
    assert [manager[name] for name in manager] == modules
    assert len(manager) == 2
    assert "two" in manager


def test_workers_do_not_import_the_parent() -> None:
    code = "import procwire, sys; print([m for m in sys.modules if 'procwire.parent' in m])"
    command = [sys.executable, "-P", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
