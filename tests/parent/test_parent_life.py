"""Starts, losses, restarts and ends of real workers."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from procwire.errors import AlreadyStartedError, NotConnectedError
from procwire.parent import (
    Backoff,
    Heartbeat,
    Module,
    ModuleManager,
    SchemaError,
    SpawnError,
    SpawnPolicy,
    State,
    WorkerLostError,
)
from procwire.parent.process import WorkerProcess

from ..processes import KILLED, children, interpreter, kill, resume, suspend
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


def test_a_start_is_tried_again(loop_name: str, tmp_path: Path) -> None:
    async def main() -> None:
        attempts = tmp_path / "attempts"
        policy = SpawnPolicy(max_retries=2, backoff=QUICK)
        module = broken("first time", str(attempts), policy=policy)
        manager = ModuleManager(module)
        changes = record(manager)
        async with manager:
            assert await module.send("echo", 1) == 1
        assert attempts.read_text() == "xxx"
        kinds = [changes.get_nowait().kind for _ in range(changes.qsize())]
        assert kinds == ["spawn failed", "retrying"] * 2 + ["ready", "closed"]

    run(loop_name, main)


@pytest.mark.parametrize(
    ("how", "policy", "text"),
    [
        ("exits", SpawnPolicy(max_retries=0), "exited with status 3 before it was ready"),
        ("exits", SpawnPolicy(max_retries=1, backoff=QUICK), "tried 2 times"),
        ("raises", SpawnPolicy(max_retries=0), "no model"),
        ("silent", SpawnPolicy(max_retries=0, init_timeout=0.5), "not ready within 0.5 s"),
    ],
)
def test_a_worker_that_cannot_start(
    loop_name: str, how: str, policy: SpawnPolicy, text: str
) -> None:
    async def main() -> None:
        module = broken(how, policy=policy)
        with pytest.raises(SpawnError, match=text):
            await ModuleManager(module).spawn()
        assert module.state == "closed"

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


@pytest.mark.parametrize(
    ("program", "cwd"),
    [
        ("/no/such/program", None),
        ("no-such-program", None),
        (os.path.join(os.curdir, "no-such-program"), None),
        (sys.executable, "/no/such/directory"),
    ],
)
def test_a_program_that_is_not_there(loop_name: str, program: str, cwd: str | None) -> None:
    async def main() -> None:
        module = Module("none").executable(program, cwd=cwd).method("echo")
        module.spawn_policy(SpawnPolicy(max_retries=0))
        with pytest.raises(SpawnError, match=re.escape(f"{program!r} cannot be started")):
            await ModuleManager(module).spawn()

    run(loop_name, main)


def test_a_command_that_no_system_takes() -> None:
    async def main() -> None:
        # With retries: they would change nothing.
        module = Module("none").executable(sys.executable, env={"A=B": "x"}).method("echo")
        with pytest.raises(SpawnError, match="tried 1 times: illegal environment variable name"):
            await ModuleManager(module).spawn()

    # uvloop does not look.
    run("asyncio", main)


def test_mistakes_in_a_command() -> None:
    module = Module("m")
    with pytest.raises(TypeError, match=r"a list of strings, got 'worker\.py'"):
        module.executable(sys.executable, "worker.py")
    with pytest.raises(TypeError, match="int"):
        module.executable(sys.executable, [8080])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="'PORT' is a string or None, got 8080"):
        module.executable(sys.executable, env={"PORT": 8080})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="null byte"):
        module.executable(sys.executable, ["a\0b"])
    assert module.command is None


def test_variables_of_a_worker(loop_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEFT_OUT", "x")
    monkeypatch.setenv("INHERITED", "y")

    async def main() -> None:
        module = calls("python").method("variables")
        assert module.command is not None
        program, *arguments = module.command.words
        module.executable(program, arguments, env={"LEFT_OUT": None, "NEVER": None, "OWN": "z"})
        async with ModuleManager(module):
            names = ["LEFT_OUT", "NEVER", "INHERITED", "OWN"]
            assert await module.send("variables", names) == [None, None, "y", "z"]

    run(loop_name, main)


def test_a_worker_with_another_schema(loop_name: str) -> None:
    async def main() -> None:
        # With retries: they would change nothing.
        module = broken("works", policy=SpawnPolicy()).method("more")
        with pytest.raises(SpawnError, match=r"tried 1 times.*no method 'more'") as caught:
            await ModuleManager(module).spawn()
        assert isinstance(caught.value.__cause__, SchemaError)
        module = calls("python")
        module.declared.methods.pop("echo")
        module.method("echo", response="stream").event("more")
        with pytest.raises(SpawnError, match=r"'echo'.*'stream'.*'result'"):
            await ModuleManager(module).spawn()
        module = calls("python").event("more")
        with pytest.raises(SpawnError, match="no event 'more'"):
            await ModuleManager(module).spawn()

    run(loop_name, main)


def test_one_of_several_that_cannot_start(loop_name: str) -> None:
    async def main() -> None:
        works, fails = calls("python"), broken("exits")
        with pytest.raises(SpawnError):
            async with ModuleManager(works, fails):
                pytest.fail("not reached")
        assert works.state == fails.state == "closed"

    run(loop_name, main)


def test_a_start_that_nobody_waits_for(loop_name: str) -> None:
    async def main() -> None:
        module = broken("silent")
        manager = ModuleManager(module)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await manager.spawn()
        assert module.state == "closed"
        spawning = asyncio.create_task(manager.spawn())
        while module.state != "initializing":
            await asyncio.sleep(0)
        await manager.shutdown()
        with pytest.raises(SpawnError, match="shut down"):
            await spawning

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
    loop_name: str, tmp_path: Path
) -> None:
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


def test_bad_policies() -> None:
    for make in (
        lambda: Backoff(factor=0.5),
        lambda: Heartbeat(interval=0, timeout=1),
        lambda: SpawnPolicy(init_timeout=0),
        lambda: SpawnPolicy(max_retries=-1),
        lambda: Module("m", request_timeout=-1),
        lambda: Module("m", max_payload_size=0),
        lambda: Module("m").method("a").method("a"),
        lambda: Module("m").event("a").event("a"),
        lambda: Module("m").method("a", response="other"),  # type: ignore[arg-type]
        lambda: Module("m").method("a", codec="raw", request_codec="raw"),
        lambda: Module("m").method("a", response="stream", timeout=1),
        lambda: Module("m").method("a", response="none", timeout=1),
        lambda: ModuleManager(Module("m")),
        lambda: ModuleManager(Module("m").executable("x")),
    ):
        with pytest.raises(ValueError):
            make()
    assert [Backoff().seconds(n) for n in (1, 2, 3, 9, 10_000)] == [1, 2, 4, 30, 30]


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
