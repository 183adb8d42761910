"""What parent.mjs is, with procwire.parent instead of @procwire/core, and the same jobs.

run.mjs talks to it over the channel that Node.js gives a child process: JSON, a message a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from procwire.parent import Module, ModuleManager

HERE = Path(__file__).resolve().parent
STREAM_ITEMS = 20_000
TEXT = "x" * 1000
BIG_BYTES = 10 * 1024 * 1024
TICKS = os.sysconf("SC_CLK_TCK")

SMALL = [random.randbytes(1024) for _ in range(61)]
LETTERS = [data.hex()[:1000] for data in SMALL]
big: list[bytes] = []


class WrongAnswerError(Exception):
    pass


def check(right: bool, what: str) -> None:
    if not right:
        raise WrongAnswerError(f"a wrong answer: {what}")


async def raw(worker: Module, number: int) -> int:
    sent = SMALL[number % len(SMALL)]
    check(await worker.send("echoRaw", sent) == sent, "1 KB of bytes")
    return 1


async def one_map(worker: Module, number: int) -> int:
    s = LETTERS[number % len(LETTERS)]
    got = await worker.send("echoMap", {"i": number, "s": s})
    check(got["i"] == number and got["s"] == s, "a map")
    return 1


async def big_raw(worker: Module, number: int) -> int:
    if not big:
        big.extend(random.randbytes(BIG_BYTES) for _ in range(3))
    sent = big[number % len(big)]
    check(await worker.send("echoRaw", sent) == sent, "10 MiB of bytes")
    return BIG_BYTES


async def stream(worker: Module, _number: int) -> int:
    following = 0
    async for item in worker.stream("stream", {"count": STREAM_ITEMS}):
        check(item["i"] == following and item["s"] == TEXT, f"item {following}")
        following += 1
    check(following == STREAM_ITEMS, f"a stream of {following} items")
    return following


Call = Callable[[Module, int], Awaitable[int]]
# What is called, how often at a time, and what a unit of its rate is.
JOBS: dict[str, tuple[Call, int, float]] = {
    **{f"raw-{number}": (raw, number, 1.0) for number in (1, 32, 256)},
    **{f"map-{number}": (one_map, number, 1.0) for number in (1, 32, 256)},
    "stream": (stream, 1, 1.0),
    "big": (big_raw, 2, 1e-6),
}


async def load(worker: Module, call: Call, in_flight: int, seconds: float) -> tuple[int, float]:
    """Call for so many seconds; returns the amount and the real seconds."""
    number = amount = 0
    start = time.perf_counter()
    end = start + seconds

    async def caller() -> None:
        nonlocal number, amount
        while True:
            number += 1
            # In a statement of its own: += would take the amount from before the wait.
            more = await call(worker, number - 1)
            amount += more
            if time.perf_counter() >= end:
                return

    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return amount, time.perf_counter() - start


def cpu_seconds(pid: int) -> float:
    """User and system seconds of all threads of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    # The name, in parentheses, may contain anything.
    fields = stat[stat.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def only_child() -> int:
    return int(Path(f"/proc/self/task/{os.getpid()}/children").read_text())


def busy_seconds() -> float:
    """Seconds that all cores were busy."""
    user, nice, system, _, _, irq, soft = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    )
    return (user + nice + system + irq + soft) / TICKS


def memory(pid: int, field: str) -> int:
    """VmRSS, or VmHWM, its peak, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


class Parent:
    """The commands of run.mjs."""

    def __init__(self, command: list[str]) -> None:
        self.worker = (
            Module("bench")
            .executable(command[0], command[1:])
            .method("echoRaw", codec="raw")
            .method("echoMap")
            .method("stream", response="stream")
        )
        self.manager = ModuleManager(self.worker)
        self.pid = 0

    async def start(self, **_rest: Any) -> dict[str, Any]:
        start = time.perf_counter()
        await self.manager.spawn()
        await self.worker.send("echoMap", {"i": 0, "s": "first"})
        startup = time.perf_counter() - start
        self.pid = only_child()
        return {"startup": startup, "memoryIdle": memory(self.pid, "VmRSS"), "pid": self.pid}

    async def warm_up(self, *, calls: int, maxSeconds: float) -> dict[str, Any]:  # noqa: N803
        start = time.perf_counter()
        for call in (raw, one_map):
            number = 0

            async def caller(call: Call = call) -> None:
                nonlocal number
                while number < calls and time.perf_counter() - start < maxSeconds:
                    number += 1
                    await call(self.worker, number - 1)

            await asyncio.gather(*(caller() for _ in range(32)))
        return {}

    async def job(self, *, key: str, seconds: float, warmup: float) -> dict[str, Any]:
        call, in_flight, scale = JOBS[key]
        await load(self.worker, call, in_flight, warmup)
        before = time.process_time(), cpu_seconds(self.pid), busy_seconds()
        amount, elapsed = await load(self.worker, call, in_flight, seconds)
        parent = time.process_time() - before[0]
        child = cpu_seconds(self.pid) - before[1]
        return {
            "rate": amount / elapsed * scale,
            "parentMicros": parent / amount * 1e6,
            "childMicros": child / amount * 1e6,
            "otherCores": max(0.0, (busy_seconds() - before[2] - parent - child) / elapsed),
            "memoryPeak": memory(self.pid, "VmHWM"),
        }


async def main() -> None:
    channel = socket.socket(fileno=int(os.environ.pop("NODE_CHANNEL_FD")))
    reader, writer = await asyncio.open_connection(sock=channel)
    parent = Parent(sys.argv[2:])
    commands = {"start": parent.start, "warmUp": parent.warm_up, "job": parent.job}
    try:
        # However run.mjs lets go of this process, the worker ends with it.
        while line := await reader.readline():
            message = json.loads(line)
            try:
                answer = {"result": await commands[message.pop("command")](**message)}
            except Exception as error:
                answer = {"error": repr(error)}
            writer.write(json.dumps(answer).encode() + b"\n")
    finally:
        await parent.manager.shutdown()


if __name__ == "__main__":
    factory = None
    if sys.argv[1] == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with contextlib.suppress(ConnectionError), asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
