"""``procwire bench``: how fast a handler is, in a worker process of its own."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from argparse import ArgumentParser, Namespace
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from procwire import logs
from procwire.cli.arguments import add_loop, check_method, count, seconds
from procwire.cli.errors import CommandError
from procwire.cli.output import Output, Progress
from procwire.cli.target import add_target, load
from procwire.cli.values import add_data, fit, read_data, to_json
from procwire.errors import ProcwireError, RemoteError
from procwire.parent import Module, ModuleManager, RequestTimeoutError, SpawnPolicy
from procwire.testing import declare

__all__ = ["add_arguments", "execute"]

LAST_PATIENCE = 10.0
"""Seconds that requests have for their answers when the time is over."""
NAME = "bench"


def add_arguments(parser: ArgumentParser) -> None:
    """What ``bench`` takes."""
    add_target(parser)
    parser.add_argument("method", metavar="METHOD", help="the method's name")
    add_data(parser)
    parser.add_argument(
        "--in-flight",
        type=count,
        default=64,
        metavar="N",
        help="how many requests are under way at a time (default: 64)",
    )
    parser.add_argument(
        "--seconds",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="for how long (default: 5)",
    )
    add_loop(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


@dataclass
class Measurement:
    """What has been counted so far; times are in seconds."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    chunks: int = 0
    failures: int = 0
    first_failure: str | None = None

    def so_far(self, passed: float) -> str:
        """What there is after so many seconds, in a line."""
        done = len(self.latencies)
        return f"{passed:.1f} s  {done:,} requests  {done / passed:,.0f}/s  {self.failures} failed"


def execute(options: Namespace) -> int:
    """Measure it, print what has come out; fails when a request has."""
    output = Output()
    logs.speak_up()
    data = read_data(options)
    client = load(options.target)
    check_method(client, options.method)
    if client._methods[options.method].shape.response == "none":
        raise CommandError(f"{options.method!r} does not answer: there is nothing to wait for")
    data = fit(data, client._methods[options.method].request_codec)
    # As a parent would start it: nothing of this process is measured.
    module = declare(client, NAME, request_timeout=0).executable(
        sys.executable, ["-m", "procwire", "run", options.target, "--loop", options.loop]
    )
    module.spawn_policy(SpawnPolicy(max_retries=0))
    try:
        result = asyncio.run(_bench(module, options, data))
    except ProcwireError as error:
        raise CommandError(str(error)) from None
    if options.json:
        output.line(to_json(result, indent=2))
    else:
        for line in _report(result):
            output.line(line)
    return 1 if result["failures"] else 0


async def _bench(module: Module, options: Namespace, data: Any) -> dict[str, Any]:
    streams = module.declared.methods[options.method].response == "stream"
    async with ModuleManager(module) as manager:
        # What is made on first use is not measured, and what always fails is not tried for long.
        waiting = asyncio.ensure_future(
            _show_progress(lambda passed: f"{passed:.1f} s  waiting for the first answer")
        )
        try:
            await _request(module, options.method, data, streams, Measurement())
        finally:
            waiting.cancel()
            await asyncio.wait([waiting])
        measured = Measurement()
        process = manager.pid(NAME)
        bytes_before, processor_before = module.traffic(), _processor_time(process)
        began = time.perf_counter()
        end = began + options.seconds

        async def call() -> None:
            while time.perf_counter() < end:
                await _measure(module, options.method, data, streams, measured)

        callers = [asyncio.ensure_future(call()) for _ in range(options.in_flight)]
        watching = asyncio.ensure_future(_show_progress(measured.so_far))
        try:
            await asyncio.wait(
                callers,
                timeout=options.seconds + LAST_PATIENCE,
                return_when=asyncio.FIRST_EXCEPTION,
            )
            passed = time.perf_counter() - began
        finally:
            watching.cancel()
            late = [caller for caller in callers if not caller.done()]
            for caller in late:
                caller.cancel()
            await asyncio.wait([*callers, watching])
        for caller in callers:
            if not caller.cancelled():
                caller.result()
        sent, received = (
            after - before for after, before in zip(module.traffic(), bytes_before, strict=True)
        )
        processor_after = _processor_time(process)
    return _result(
        options,
        measured,
        passed=passed,
        late=len(late),
        sent=sent,
        received=received,
        processor=None
        if processor_before is None or processor_after is None
        else processor_after - processor_before,
    )


async def _measure(
    module: Module, method: str, data: Any, streams: bool, measured: Measurement
) -> None:
    began = time.perf_counter()
    try:
        await _request(module, method, data, streams, measured)
    except (RemoteError, RequestTimeoutError) as error:
        measured.failures += 1
        measured.first_failure = measured.first_failure or str(error)
    else:
        measured.latencies.append(time.perf_counter() - began)


async def _request(
    module: Module, method: str, data: Any, streams: bool, measured: Measurement
) -> None:
    if streams:
        async for _ in module.stream(method, data):
            measured.chunks += 1
    else:
        await module.send(method, data)


async def _show_progress(line: Callable[[float], str]) -> None:
    """Show a line that depends on the seconds that have passed, again and again."""
    progress, began = Progress(), time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0.25)
            progress.show(line(time.perf_counter() - began))
    finally:
        progress.clear()


def _result(
    options: Namespace,
    measured: Measurement,
    *,
    passed: float,
    late: int,
    sent: int,
    received: int,
    processor: float | None,
) -> dict[str, Any]:
    done = len(measured.latencies)
    latencies = sorted(measured.latencies)

    def percentile(share: float) -> float | None:
        # The smallest time that so large a share of the requests has not exceeded.
        return latencies[math.ceil(share * done) - 1] if done else None

    return {
        "method": options.method,
        "loop": options.loop,
        "in_flight": options.in_flight,
        "seconds": passed,
        "requests": done,
        "requests_per_second": done / passed,
        "chunks_per_second": measured.chunks / passed,
        "p50": percentile(0.5),
        "p90": percentile(0.9),
        "p99": percentile(0.99),
        "slowest": percentile(1.0),
        "bytes_sent_per_second": sent / passed,
        "bytes_received_per_second": received / passed,
        "processor_seconds_per_request": processor / done if processor and done else None,
        "processor_share": None if processor is None else processor / passed,
        "failures": measured.failures + late,
        "first_failure": measured.first_failure
        or (f"no answer within {LAST_PATIENCE:g} s after the end" if late else None),
    }


def _report(result: dict[str, Any]) -> list[str]:
    about = f"{result['method']}, {result['in_flight']} in flight, {result['loop']}"
    lines = [
        f"{about}, {result['seconds']:.1f} s",
        f"requests    {result['requests']:,}, {result['requests_per_second']:,.0f}/s",
    ]
    if result["chunks_per_second"]:
        lines.append(f"chunks      {result['chunks_per_second']:,.0f}/s")
    if result["requests"]:
        times = "  ".join(
            f"{name} {_milliseconds(result[name])}" for name in ("p50", "p90", "p99", "slowest")
        )
        lines.append(f"latency     {times}")
    lines.append(
        f"bytes       {_size(result['bytes_sent_per_second'])}/s to the worker,"
        f" {_size(result['bytes_received_per_second'])}/s from it"
    )
    if result["processor_seconds_per_request"] is not None:
        lines.append(
            f"worker CPU  {result['processor_seconds_per_request'] * 1e6:.1f} us a request,"
            f" {result['processor_share']:.0%} of a processor"
        )
    if result["failures"]:
        lines.append(f"FAILED      {result['failures']:,}, the first: {result['first_failure']}")
    return lines


def _milliseconds(passed: float) -> str:
    return f"{passed * 1000:.3f} ms"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


if sys.platform == "linux":

    def _processor_time(process: int | None) -> float | None:
        """Seconds of processor time that a process has used; ``None`` without a process."""
        if process is None:
            return None
        # clock_getcpuclockid(3), which Python does not have: CPUCLOCK_SCHED of another process.
        return time.clock_gettime((~process << 3) | 2)

else:

    def _processor_time(process: int | None) -> float | None:
        """Nobody tells here."""
        return None
