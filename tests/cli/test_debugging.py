"""breakpoint() in a worker, its frames in the log, a recording and its replay."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from procwire._core import METHOD_ID_ABORT, METHOD_ID_AUTH
from procwire.cli.attach import READ_SIZE
from procwire.parent import Heartbeat, Module, ModuleManager, RemoteError, SpawnPolicy
from procwire.recording import Recording, RecordingError

from ..parent.driving import run
from ..processes import WINE, interpreter
from .running import DEADLINE, WORKERS, command, environment, logging_into, procwire

# wine has no list of all pipes, and so finds nobody by the number of his process.
PLACE = r"attach (\d+)    # or attach (/.*|\\\\.*)$"

PATIENT = SpawnPolicy(max_retries=0, auth=True, heartbeat=Heartbeat(interval=0.05, timeout=1))


def worker(log: Path, loop_name: str, **variables: str) -> Module:
    """workers/commands.py, its standard error in a file."""
    words = logging_into(log, "run", "commands", "--loop", loop_name)
    module = Module("commands", request_timeout=0)
    module.executable(sys.executable, words, cwd=str(WORKERS), env=variables)
    for name in ("divide", "stop", "stop_in_thread", "hang", "pid"):
        module.method(name)
    return (
        module.method("count", response="stream")
        .method("forever", response="stream")
        .method("accept", response="ack")
        .method("note", response="none")
        .method("size", codec="raw")
        .spawn_policy(PATIENT)
    )


async def line_of(log: Path, pattern: str) -> re.Match[str]:
    """Wait for a line of the worker's standard error."""
    while (found := look_for(log, pattern)) is None:
        await asyncio.sleep(0.01)
    return found


def look_for(log: Path, pattern: str) -> re.Match[str] | None:
    return re.search(pattern, log.read_text(), re.MULTILINE) if log.exists() else None


@asynccontextmanager
async def attached(whom: object, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """procwire attach, with pipes for a terminal."""
    process = await asyncio.create_subprocess_exec(
        *command("attach", str(whom)),
        stdin=-1,
        stdout=-1,
        stderr=-1,
        cwd=WORKERS,
        env=environment(**variables),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def debug(whom: object, typed: str, **variables: str) -> tuple[str, str]:
    """Type something into a debugger; returns what it has said, and what attach has."""
    async with attached(whom, **variables) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = await process.stdout.readuntil(b"(Pdb) ")
        process.stdin.write(typed.encode())
        rest, errors = await process.communicate()
        assert process.returncode == 0
    said += rest
    return said.decode().replace("\r\n", "\n"), errors.decode().replace("\r\n", "\n")


@pytest.mark.skipif(sys.platform == "win32", reason="somebody who speaks is a socket here")
def test_a_letter_that_comes_in_two_pieces() -> None:
    from procwire.debug_sockets import offered

    said = "x" * (READ_SIZE - 1) + "ü"
    with offered() as offer, ThreadPoolExecutor(1) as threads:
        running = threads.submit(procwire, "attach", offer.address)
        with offer.accept() as connection:
            connection.sendall(said.encode())
        assert running.result().stdout == said


def test_breakpoints(tmp_path: Path, loop_name: str) -> None:
    log = tmp_path / "log"

    async def main() -> None:
        module = worker(log, loop_name)
        async with ModuleManager(module) as manager:
            pid = interpreter(manager.pid("commands") or 0)
            assert pid == await module.send("pid")
            stopped = asyncio.ensure_future(module.send("stop", 41))
            place = await line_of(log, PLACE)
            assert "commands.py:" in log.read_text()
            assert place[1] == str(pid)
            if sys.platform != "win32":
                assert os.stat(place[2]).st_mode & 0o777 == 0o600
            # Longer than the parent waits for an answer to its ping, and it has asked.
            await asyncio.sleep(1.5)
            assert module.state == "ready"
            said, errors = await debug(
                place[2] if WINE else pid, "p local\nlocal = 50\nrun\ncontinue\n"
            )
            # Before Python 3.13 pdb stops in the next line.
            assert "-> local += 1" in said or "-> breakpoint()" in said
            assert "(Pdb) 41\n" in said
            assert "a worker is not started again from here" in said
            assert errors == "\nthe handler goes on\n"
            assert await stopped == 51
            # Not on this loop, which has pongs to read.
            again = await asyncio.to_thread(procwire, "attach", place[2])
            refusal = f"{place[2]} is neither a process id nor a socket"
            if sys.platform == "win32":
                refusal = f"no thread of {place[2]} waits at a breakpoint"
            assert again.stderr == f"procwire attach: {refusal}\n"

            # The others go on while a thread stands still; who leaves lets it go on.
            log.write_text("")
            stopped = asyncio.ensure_future(module.send("stop_in_thread", "x"))
            place = await line_of(log, PLACE)
            assert await module.send("divide", {"number": 1, "by": 2}) == 0.5
            async with attached(place[2]) as process:
                assert process.stdin is not None
                process.stdin.close()
                assert await stopped == "x"

            # A breakpoint that was set in the debugger comes to the same one, quit ends both.
            log.write_text("")
            stopped = asyncio.ensure_future(module.send("stop", 1))
            place = await line_of(log, PLACE)
            async with attached(place[2] if WINE else pid) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                await process.stdout.readuntil(b"(Pdb) ")
                process.stdin.write(b"tbreak divide\nc\n")
                await process.stdout.readuntil(b"(Pdb) ")
                assert await stopped == 2
                stopped = asyncio.ensure_future(module.send("divide", {"number": 1, "by": 1}))
                said_next = await process.stdout.readuntil(b"(Pdb) ")
                assert b"divide()" in said_next
                process.stdin.write(b"q\n")
                assert await stopped == 1
                assert await process.wait() == 0
        assert procwire("attach", str(pid)).stderr == (
            f"procwire attach: no thread of {pid} waits at a breakpoint\n"
        )

    run(loop_name, main)


def test_the_users_choice_is_respected(tmp_path: Path) -> None:
    async def main() -> None:
        module = worker(tmp_path / "log", "asyncio", PYTHONBREAKPOINT="0")
        async with ModuleManager(module):
            assert await module.send("stop", 1) == 2

    run("asyncio", main)


def test_a_terminal_that_has_not_every_letter(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def main() -> None:
        module = worker(log, "asyncio")
        async with ModuleManager(module):
            stopped = asyncio.ensure_future(module.send("stop_in_thread", "\u2192"))
            place = await line_of(log, PLACE)
            said, _ = await debug(place[2], "p data\ncontinue\n", PYTHONIOENCODING="ascii")
            assert "(Pdb) '\\u2192'\n" in said
            assert await stopped == "\u2192"

    run("asyncio", main)


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe is gone with its process")
def test_what_a_dead_worker_has_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        # Relative: the directories of tests have long names.
        os.chdir(tmp_path)
        dead.bind("s")
    done = procwire("attach", "s", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "procwire attach: no thread of s waits at a breakpoint\n",
    )
    assert not path.exists()


def test_frames_are_logged_and_recorded(tmp_path: Path, loop_name: str) -> None:
    log, path = tmp_path / "log", tmp_path / "recording-{pid}"

    async def main() -> int:
        module = worker(log, loop_name, PROCWIRE_DEBUG="1", PROCWIRE_RECORD=str(path))
        async with ModuleManager(module) as manager:
            await module.send("divide", {"number": 1, "by": 8})
            with pytest.raises(RemoteError):
                await module.send("divide", {"number": 1, "by": 0})
            assert [number async for number in module.stream("count", 2)] == [0, 1]
            await module.send("accept", "x")
            await module.send("note", "x")
            await module.send("size", bytes(200_000))
            # Side by side, and one of them is taken back.
            hanging = asyncio.ensure_future(module.send("hang"))
            await asyncio.gather(*(module.send("size", b"ab") for _ in range(3)))
            hanging.cancel()
            await asyncio.wait([hanging])
            await module.send("size", b"the last")
            return interpreter(manager.pid("commands") or 0)

    pids: list[int] = []

    async def run_main() -> None:
        pids.append(await main())

    run(loop_name, run_main)
    lines = [
        re.sub(r"^[\d:.]+ | after [\d.]+ ms$", "", line)
        for line in log.read_text().splitlines()
        if "procwire.wire" in line
    ]
    assert lines[:5] == [
        "procwire.wire <- divide #1 request flags=0x00 13 bytes",
        "procwire.wire -> divide #1 result flags=0x03 9 bytes",
        "procwire.wire <- divide #2 request flags=0x00 13 bytes",
        "procwire.wire -> divide #2 error flags=0x07 42 bytes",
        "procwire.wire <- count #3 request flags=0x00 1 bytes",
    ]
    assert "procwire.wire -> count #3 end flags=0x1b 0 bytes" in lines
    assert "procwire.wire -> accept #4 ack flags=0x23 12 bytes" in lines
    assert "procwire.wire -> progress #0 event flags=0x01 1 bytes" in lines
    assert "procwire.wire <- note #0 request flags=0x00 2 bytes" in lines
    assert "procwire.wire -> size #5 result flags=0x03 200014 bytes" in lines
    assert "procwire.wire <- hang #6 abort flags=0x00 0 bytes" in lines
    assert re.search(r"-> divide #1 result .* after \d+\.\d{3} ms$", log.read_text(), re.M)

    recorded = tmp_path / f"recording-{pids[0]}"
    if sys.platform != "win32":
        assert recorded.stat().st_mode & 0o777 == 0o600
    frames = list(Recording(recorded))
    assert len(frames) == len(lines)
    assert not any(frame.method_id == METHOD_ID_AUTH for frame in frames)
    assert [frame.method_id for frame in frames].count(METHOD_ID_ABORT) == 1
    assert all(a.time <= b.time for a, b in itertools.pairwise(frames))
    assert frames[0].payload == b"\x82\xa6number\x01\xa2by\x08"
    check_replay(tmp_path, recorded)


def check_replay(tmp_path: Path, recorded: Path) -> None:
    """The code that was recorded gives the same answers, other code does not."""
    same = procwire("replay", str(recorded), "commands")
    assert (same.stdout, same.returncode) == (
        "11 requests, 1 events, 0 differences\n",
        0,
    ), same.stderr
    changed = (WORKERS / "commands.py").read_text()
    for old, new in (
        ('data["number"] / data["by"]', '2 * data["number"] / data["by"]'),
        ('"E_DIVISION"', '"E_ZERO"'),
        ("yield number\n\n", "yield -number\n\n"),
        ("async def note", "async def notice"),
        ('emit("progress", 1)', 'emit("progress", [2])'),
        ('b"%d bytes: %b" % (len(data), data)', 'b"%d bytes" % len(data)'),
    ):
        assert old in changed
        changed = changed.replace(old, new)
    (tmp_path / "other.py").write_text(changed)
    other = procwire("replay", str(recorded), "other", "--ignore", "size", cwd=tmp_path)
    assert other.stdout.splitlines() == [
        '#1 divide({"number": 1, "by": 8}): was 0.125, is 0.25',
        (
            '#2 divide({"number": 1, "by": 0}): was the error {"message": "division by zero", '
            '"code": "E_DIVISION"}, is the error {"message": "division by zero", "code": "E_ZERO"}'
        ),
        "#3 count(2): chunk 1: was 1, is -1",
        "#5 note(): there is no such method",
        # A request was aborted: what is new is no difference.
        "event progress: 1 of 1 missing, the first 1",
        "11 requests, 1 events, 5 differences",
    ]
    assert other.returncode == 1


EMITTER = """
import asyncio
from procwire import Client

client = Client().event("beat").event("order")
reached = asyncio.Event()

@client.handle
async def start(up_to):
    async def emit():
        for number in range(up_to):
            await asyncio.sleep(0)
            await client.emit("order", {"b": number, "a": number})
        reached.set()
    asyncio.get_running_loop().create_task(emit())

@client.handle
async def after(data):
    return reached.is_set()

@client.handle
async def both(data):
    await client.emit("order", data)
    await client.emit("beat", data)
"""


def test_events_are_replayed(tmp_path: Path) -> None:
    async def record() -> None:
        words = command("run", "emitter")
        module = Module("emitter").executable(
            words[0], words[1:], cwd=str(tmp_path), env={"PROCWIRE_RECORD": "recording"}
        )
        module.method("start").method("after").method("both").event("beat").event("order")
        order: asyncio.Queue[object] = asyncio.Queue()
        module.on_event("order", order.put_nowait)
        async with ModuleManager(module):
            await module.send("start", 3)
            for _ in range(3):
                await order.get()
            # The parent has waited for an event.
            assert await module.send("after")
            await asyncio.gather(*(module.send("both", number) for number in (7, 8)))
            await module.send("both", 9)

    (tmp_path / "emitter.py").write_text(EMITTER)
    asyncio.run(record())

    def replay(*words: str, **changes: str) -> list[str]:
        code = EMITTER
        for old, new in changes.values():
            assert old in code
            code = code.replace(old, new)
        (tmp_path / "emitter.py").write_text(code)
        done = procwire("replay", "recording", "emitter", *words, cwd=tmp_path)
        assert done.stderr == ""
        assert done.returncode == (0 if done.stdout.endswith(" 0 differences\n") else 1)
        return done.stdout.splitlines()

    assert replay() == ["5 requests, 9 events, 0 differences"]
    # Neither the order of those of a name nor that of their keys.
    keys = ('{"b": number, "a": number}', '{"a": number, "b": number}')
    order = ("range(up_to)", "reversed(range(up_to))")
    assert replay(keys=keys, order=order) == ["5 requests, 9 events, 0 differences"]
    # One that comes no more is waited for while something runs that might emit it.
    more = ('emit("beat", data)', 'emit("beat", data + 1)')
    fewer = ("range(up_to)", "range(1, up_to)")
    assert replay(more=more, fewer=fewer) == [
        "event beat: 1 of 3 missing, the first 7; 1 new, the first 10",
        'event order: 1 of 6 missing, the first {"b": 0, "a": 0}',
        "5 requests, 9 events, 2 differences",
    ]
    assert replay("--ignore", "beat", "--ignore", "order", more=more, fewer=fewer) == [
        "5 requests, 9 events, 0 differences"
    ]
    gone = ('.event("beat")', ""), ('    await client.emit("beat", data)\n', "")
    assert replay(event=gone[0], emitted=gone[1]) == [
        "event beat: there is no such event",
        "5 requests, 9 events, 1 differences",
    ]


def test_a_file_that_is_no_recording(tmp_path: Path) -> None:
    for text, said in (
        ("{}\n", "is no recording of procwire's"),
        ("", "is no recording of procwire's"),
        (
            '{"format": "other", "version": 1, "began": "2026-01-01", "schema": {}}\n',
            "is no recording",
        ),
        (
            '{"format": "procwire recording", "version": 1, "began": "2026-01-01", "schema": {}}\n',
            "is no recording",
        ),
        (
            (
                '{"format": "procwire recording", "version": 1, "began": "2026-01-01", '
                '"schema": {"methods": {"a": {"id": 1}}, "events": {}}}\n'
            ),
            "is no recording",
        ),
        ('{"format": "procwire recording", "version": 2}\n', "is a recording of version 2, not 1"),
    ):
        (tmp_path / "file").write_text(text)
        with pytest.raises(RecordingError, match=said):
            Recording(tmp_path / "file")
    run = procwire("replay", "file", "commands", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (
        1,
        "procwire replay: file is a recording of version 2, not 1\n",
    )


def test_a_replay_leaves_its_recording_alone(tmp_path: Path) -> None:
    """Whoever has just made it has the variable still."""
    recording = tmp_path / "recording"
    variables = {"PROCWIRE_RECORD": str(recording)}
    assert procwire("call", "commands", "count", "3", **variables).returncode == 0
    recorded = recording.read_bytes()
    run = procwire("replay", str(recording), "commands", **variables)
    assert (run.stdout, run.returncode) == ("1 requests, 0 differences\n", 0), run.stderr
    assert recording.read_bytes() == recorded


def test_two_workers_do_not_share_a_recording(tmp_path: Path) -> None:
    words = command("call", "commands", "hang")
    variables = environment(PROCWIRE_RECORD=str(tmp_path / "file"))
    with subprocess.Popen(
        words, cwd=WORKERS, env=variables, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "hanging\n"
        other = subprocess.run(
            words, cwd=WORKERS, env=variables, capture_output=True, text=True, timeout=DEADLINE,
            check=False,
        )  # fmt: skip
        process.terminate()
    assert other.returncode == 1
    assert "another worker is recording into" in other.stderr
    # What was killed has a recording as well.
    assert [frame.to_parent for frame in Recording(tmp_path / "file")] == [False]
