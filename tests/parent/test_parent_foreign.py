"""Workers that know no more of the protocol than they must: bad sockets, late ends, and silence."""

from __future__ import annotations

import asyncio
import atexit
import secrets
import sys
from pathlib import Path

import pytest

from procwire.errors import NotConnectedError, RequestTimeoutError
from procwire.parent import Module, ModuleManager, SpawnError, SpawnPolicy, WorkerLostError

from ..processes import KILLED
from .driving import WORKERS, gone, record, run, until

# Windows has no queue: a pipe is offered again when somebody has been let in.
FULL_QUEUE = (
    "s.fill(); strangers = [None]"
    if sys.platform == "win32"
    else """
s.listen(0)
strangers = []
while True:
    stranger = socket.socket(socket.AF_UNIX)
    stranger.setblocking(False)
    try:
        stranger.connect(sys.argv[1])
    except BlockingIOError:
        break
    strangers.append(stranger)
"""
)
TAKE_ONE = """
time.sleep(0.1)  # as long as the parent finds the queue full
for stranger in strangers:
    s.accept()[0].close()
"""
READ_ALL = """
c, _ = s.accept()
while c.recv(65536):
    pass
"""


refuses_when_full = pytest.mark.skipif(
    sys.platform == "darwin",
    reason="whoever finds a full queue is refused there, and does not wait",
)


def foreign(then: str) -> Module:
    """A worker that is not of this library, and knows no more than it must."""
    if sys.platform == "win32":
        path = rf"\\.\pipe\foreign-{secrets.token_hex(8)}"
        listen = (
            f"sys.path.append({str(WORKERS)!r})\nimport pipes; s = pipes.Listener(sys.argv[1])\n"
        )
    else:
        # Not in a test's own directory: macOS has names for them that are too long for a socket.
        path = f"/tmp/foreign-{secrets.token_hex(8)}"
        atexit.register(lambda: Path(path).unlink(missing_ok=True))
        listen = "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
    script = (
        "import json, os, socket, sys, time\n"
        f"{listen}"
        "schema = {'methods': {'echo': {'id': 1, 'response': 'result'}}, 'events': {}}\n"
        f"{then}\n"
    )
    announce = (
        "print('not JSON', flush=True)\n"
        "print(json.dumps({'jsonrpc': '2.0', 'method': '$init', 'params':\n"
        "    {'pipe': sys.argv[1], 'schema': schema, 'version': '1.0.0'}}), flush=True)\n"
    )
    script = script.replace("ANNOUNCE", announce)
    module = Module("foreign").executable(sys.executable, ["-c", script, path]).method("echo")
    return module.spawn_policy(SpawnPolicy(max_retries=0))


def test_a_socket_that_is_not_there(loop_name: str) -> None:
    async def main() -> None:
        leave = "s.close()" if sys.platform == "win32" else "os.unlink(sys.argv[1])"
        module = foreign(f"{leave}\nANNOUNCE\ntime.sleep(3600)")
        with pytest.raises(SpawnError, match="cannot be connected to"):
            await ModuleManager(module).spawn()

    run(loop_name, main)


def test_a_worker_that_closes_its_connection(loop_name: str) -> None:
    async def main() -> None:
        module = foreign("ANNOUNCE\nc, _ = s.accept(); c.recv(1); c.close()\ntime.sleep(3600)")
        async with ModuleManager(module) as manager:
            changes = record(manager)
            with pytest.raises(NotConnectedError):
                await module.send("echo")
            closed = (await until(changes, "closed")).error
            assert isinstance(closed, WorkerLostError)
            assert "closed its connection" in str(closed)
            assert closed.exit_status is None

    run(loop_name, main)


@refuses_when_full
def test_a_queue_of_strangers_at_the_socket(loop_name: str) -> None:
    """The kernel refuses to queue another connection until one is taken out."""

    async def main() -> None:
        module = foreign(f"{FULL_QUEUE}\nANNOUNCE\n{TAKE_ONE}\n{READ_ALL}")
        async with ModuleManager(module) as manager:
            changes = record(manager)
            assert module.state == "ready"
            assert changes.empty()

    run(loop_name, main)


@refuses_when_full
def test_a_queue_that_stays_full(loop_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procwire.parent.supervisor.CONNECT_TIMEOUT", 0.2)

    async def main() -> None:
        module = foreign(f"{FULL_QUEUE}\nANNOUNCE\ntime.sleep(3600)")
        with pytest.raises(SpawnError, match=r"cannot be connected to: TimeoutError\(\)$"):
            await ModuleManager(module).spawn()

    run(loop_name, main)


def test_a_shutdown_is_no_shorter_when_others_ask_for_it(loop_name: str, tmp_path: Path) -> None:
    async def main() -> None:
        said = tmp_path / "said"
        # It ends when it is told to for the second time, by the test.
        module = foreign(
            f"ANNOUNCE\nsys.stdin.readline(); open({str(said)!r}, 'w').close()\n"
            f"while not os.path.exists({str(tmp_path / 'now')!r}): time.sleep(0.01)\n"
            f"open({str(tmp_path / 'finished')!r}, 'w')",
        )
        manager = ModuleManager(module)
        await manager.spawn()
        pid = manager.pid("foreign")
        endings = [asyncio.create_task(manager.shutdown())]
        while not said.exists():
            await asyncio.sleep(0.01)
        endings += [asyncio.create_task(manager.shutdown()) for _ in range(2)]
        # Nor when one of them gives up waiting.
        endings[0].cancel()
        await asyncio.wait([endings[0]])
        assert not any(ending.done() for ending in endings[1:])
        assert pid is not None
        assert not gone(pid)
        (tmp_path / "now").touch()
        await asyncio.gather(*endings[1:])
        assert (tmp_path / "finished").exists()

    run(loop_name, main)


def test_a_worker_that_does_not_end_is_killed(
    loop_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("procwire.parent.supervisor.SHUTDOWN_PATIENCE", 0.2)

    async def main() -> None:
        module = foreign("ANNOUNCE\ntime.sleep(3600)")
        manager = ModuleManager(module)
        changes = record(manager)
        async with manager:
            call = asyncio.create_task(module.send("echo"))
            await asyncio.sleep(0)
        with pytest.raises(NotConnectedError):
            await call
        error = (await until(changes, "closed")).error
        assert isinstance(error, WorkerLostError)
        # Windows has no number for it, and loops give it one of theirs.
        assert error.exit_status if sys.platform == "win32" else error.exit_status == KILLED

    run(loop_name, main)


def test_what_is_taken_slowly_is_not_waited_for(
    loop_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("procwire.parent.supervisor.FLUSH_PATIENCE", 0.2)
    monkeypatch.setattr("procwire.parent.supervisor.SHUTDOWN_PATIENCE", 3600)
    received = tmp_path / "received"
    # All of it would take a minute; it ends when the connection does.
    read = (
        "c, _ = s.accept()\n"
        "received = 0\n"
        "try:\n"
        "    while data := c.recv(65536): received += len(data); time.sleep(0.06)\n"
        "except ConnectionError: pass\n"
        f"open({str(received)!r}, 'w').write(str(received))\n"
    )

    async def main() -> None:
        module = foreign(f"ANNOUNCE\n{read}")
        async with ModuleManager(module):
            call = asyncio.create_task(module.send("echo", bytes(64 * 1024 * 1024)))
            await asyncio.sleep(0)
        with pytest.raises(NotConnectedError):
            await call
        assert 0 < int(received.read_text()) < 64 * 1024 * 1024

    run(loop_name, main)


def test_a_time_limit_counts_while_a_worker_takes_nothing(loop_name: str) -> None:
    async def main() -> None:
        module = foreign("ANNOUNCE\nc, _ = s.accept()\ntime.sleep(3600)")
        module.declared.methods.pop("echo")
        module.method("echo", timeout=0.1).spawn_policy(SpawnPolicy(max_retries=0))
        async with ModuleManager(module):
            with pytest.raises(RequestTimeoutError):
                await module.send("echo", bytes(8 * 1024 * 1024))
            connection = module.link.connection
            assert connection is not None
            assert connection.writer.paused
            with pytest.raises(RequestTimeoutError, match=r"'echo' has not answered within 0\.1 s"):
                await module.send("echo", 1)
            assert module.unanswered == []

    run(loop_name, main)
