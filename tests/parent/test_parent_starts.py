"""What a worker is started with, and starts that fail."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from procwire.parent import (
    Backoff,
    Heartbeat,
    Module,
    ModuleManager,
    SchemaError,
    SpawnError,
    SpawnPolicy,
)

from .driving import QUICK, broken, calls, record, run


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
