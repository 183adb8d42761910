"""What is measured, and which numbers the project set itself.

A scenario is one way to load a worker; a row of the table compares one number
of it between two peers. Bytes are sent as one MessagePack bin value, which is
opaque to every raw handler: the Rust client has no raw handlers and could not
take anything else, so that all peers are measured on the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

ALL = ("c", "rust", "node", "python")


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    metric: str
    unit: str
    method: str = "echo_raw"
    peers: tuple[str, ...] = ALL
    options: tuple[str, ...] = ()
    node_parent_items: int = 0  # driven by the real Node parent instead of the generator
    counted: bool = False  # a fixed number of requests: no time window, no warm-up


def _bytes(size: int, in_flight: int) -> tuple[str, ...]:
    return ("--encoding", "bin", "--payload-bytes", str(size), "--in-flight", str(in_flight))


LATENCY = ("--mode", "latency", "--encoding", "bin", "--payload-bytes", str(KIB))
STREAM = ("--mode", "stream", "--encoding", "msgpack", "--payload-bytes", "1000")

MAIN: tuple[Scenario, ...] = (
    Scenario(
        "raw-1k",
        "1 KB bytes, 256 in flight",
        "requests_per_s",
        "requests/s",
        peers=("c", "rust", "node", "python", "python-inline", "python-suspend"),
        options=_bytes(KIB, 256),
    ),
    Scenario(
        "msgpack-1k",
        "1 KB MessagePack, 256 in flight",
        "requests_per_s",
        "requests/s",
        method="echo_msgpack",
        peers=("c", "rust", "node", "python", "python-inline", "python-typed"),
        options=("--encoding", "msgpack", "--payload-bytes", "1000", "--in-flight", "256"),
    ),
    Scenario("raw-1m", "1 MiB bytes, 4 in flight", "bytes_per_s", "B/s", options=_bytes(MIB, 4)),
    Scenario(
        "raw-10m", "10 MiB bytes, 2 in flight", "bytes_per_s", "B/s", options=_bytes(10 * MIB, 2)
    ),
    Scenario(
        "latency",
        "1 KB bytes, one at a time: median",
        "latency_p50_ns",
        "ns",
        peers=("c", "rust", "node", "python", "python-inline"),
        options=LATENCY,
    ),
    Scenario(
        "latency-one-cpu",
        "the same, parent and worker on one processor",
        "latency_p50_ns",
        "ns",
        peers=("c", "rust", "node", "python", "python-inline"),
        options=(*LATENCY, "--one-cpu"),
    ),
    Scenario(
        "stream-1k",
        "20,000 1 KB maps to the generator",
        "items_per_s",
        "items/s",
        method="stream_msgpack",
        options=(*STREAM, "--chunks", "20000"),
    ),
    Scenario(
        "node-stream-1k",
        "20,000 1 KB maps to the real Node parent",
        "items_per_s",
        "items/s",
        method="stream_msgpack",
        node_parent_items=20000,
    ),
    Scenario(
        "memory-echo",
        "peak memory over idle, 100 × 10 MiB echo",
        "rss_growth_kb",
        "kB",
        options=(*_bytes(10 * MIB, 2), "--requests", "100"),
        counted=True,
    ),
    Scenario(
        "memory-stream",
        "peak memory over idle, 1 GiB stream to a slow parent",
        "rss_growth_kb",
        "kB",
        method="stream_raw",
        options=(
            *("--mode", "slow-stream", "--encoding", "raw", "--payload-bytes", str(MIB)),
            *("--chunks", "1024", "--requests", "1", "--read-rate", "256000000"),
        ),
        counted=True,
    ),
)

PAYLOAD_SIZES = (64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 10 * MIB)
IN_FLIGHT = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def size_sweep() -> list[Scenario]:
    """Rate against payload size; never more than 4 MiB under way, but two at least."""
    scenarios = []
    for size in PAYLOAD_SIZES:
        in_flight = max(2, min(256, 4 * MIB // size))
        title = f"{size} bytes, {in_flight} in flight"
        options = _bytes(size, in_flight)
        scenarios.append(Scenario(f"size-{size}", title, "bytes_per_s", "B/s", options=options))
    return scenarios


def in_flight_sweep() -> list[Scenario]:
    return [
        Scenario(
            f"in-flight-{k}",
            f"1 KB bytes, {k} in flight",
            "requests_per_s",
            "requests/s",
            options=_bytes(KIB, k),
        )
        for k in IN_FLIGHT
    ]


@dataclass(frozen=True)
class Row:
    """`peer` None: the number itself is the goal, and less is better."""

    title: str
    scenarios: tuple[str, ...]  # several: the worst one counts
    metric: str
    ours: str
    peer: str | None
    bar: float
    hope: float
    unit: str = "×"
    scale: float = 1.0
    less_is_better: bool = False


ROWS: tuple[Row, ...] = (
    Row("1 KB bytes, `async def`: requests/s against Node", ("raw-1k",), "requests_per_s",
        "python", "node", 3, 5),
    Row("1 KB bytes, `async def`: requests/s against Rust", ("raw-1k",), "requests_per_s",
        "python", "rust", 1, 1.5),
    Row("1 KB bytes, inline `def`: requests/s against C", ("raw-1k",), "requests_per_s",
        "python-inline", "c", 0.35, 0.6),
    Row("1 KB MessagePack, `async def`: requests/s against Node", ("msgpack-1k",),
        "requests_per_s", "python", "node", 3.5, 5),
    Row("1 KB MessagePack, `async def`: requests/s against Rust", ("msgpack-1k",),
        "requests_per_s", "python", "rust", 1, 1.3),
    Row("1 KB MessagePack into a TypedDict: requests/s against the same without a type",
        ("msgpack-1k",), "requests_per_s", "python-typed", "python", 1, 1.2),
    Row("1 MiB bytes, 4 in flight: bytes/s against C", ("raw-1m",), "bytes_per_s",
        "python", "c", 0.45, 0.7),
    Row("10 MiB bytes, 2 in flight: bytes/s against C", ("raw-10m",), "bytes_per_s",
        "python", "c", 0.7, 0.9),
    Row("one request at a time: C's median time against ours", ("latency",), "latency_p50_ns",
        "python", "c", 0.8, 0.95, less_is_better=True),
    Row("20,000 1 KB maps to the real Node parent: items/s against Node", ("node-stream-1k",),
        "items_per_s", "python", "node", 1.5, float("inf")),
    Row("idle memory over a bare `import asyncio`", ("raw-1k",), "rss_idle_over_bare_kb",
        "python", None, 6, 3, "MB", 1 / 1024),
    Row("peak memory over idle while 1 GiB passes", ("memory-echo", "memory-stream"),
        "rss_growth_kb", "python", None, 30, 20, "MB", 1 / 1024),
    Row("worker CPU per 1 KB request, `async def`", ("raw-1k",), "cpu_ns_per_request",
        "python", None, 1.3, 0.8, "µs", 1 / 1000),
)  # fmt: skip
