"""Registration on the client; what serves is tested with real processes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from procwire import (
    Batch,
    Client,
    MsgpackCodec,
    NotConnectedError,
    RawCodec,
    UnknownEventError,
)
from procwire.parent import SpawnPolicy


async def echo(data: Any) -> Any:
    return data


class Reversing:
    name = "reversing"

    def encode(self, value: str) -> bytes:
        return value[::-1].encode()

    def decode(self, payload: bytes) -> str:
        return payload.decode()[::-1]


def test_chaining_returns_the_client() -> None:
    client = Client()
    chained = (
        client.handle("a", echo)
        .handle("b", echo, codec="raw")
        .handle_ack("c", echo)
        .event("d")
        .event("e", codec=RawCodec())
    )
    assert chained is client
    assert repr(client) == "<procwire.Client methods=['a', 'b', 'c'] events=['d', 'e']>"


def test_decorators_return_the_function() -> None:
    client = Client()
    assert client.handle(echo) is echo
    assert client.handle("named")(echo) is echo
    assert client.handle(response="none")(lambda_named := _named("other")) is lambda_named
    assert client.handle_ack("acked")(echo) is echo
    assert "methods=['echo', 'named', 'other', 'acked']" in repr(client)


def _named(name: str) -> Any:
    async def function(data: Any) -> Any:
        return data

    function.__name__ = name
    return function


def test_handle_stream_wants_a_stream() -> None:
    with pytest.raises(ValueError, match="yields its chunks"):
        Client().handle_stream("a", echo)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"codec": "arow"}, ValueError, "there is no codec 'arow'; there are 'arrow', 'msgpack'"),
        ({"codec": 5}, TypeError, "a codec has name, encode"),
        ({"codec": RawCodec}, TypeError, "a codec has name, encode"),
        ({"codec": "raw", "request_codec": "raw"}, ValueError, "either codec, or request_codec"),
        ({"timeout": -1}, ValueError, "from 0 to 2147483.647, got -1"),
        ({"timeout": 2147484}, ValueError, "from 0 to 2147483.647, got 2147484"),
        ({"timeout": float("nan")}, ValueError, "from 0 to 2147483.647, got nan"),
        ({"timeout": 1, "response": "none"}, ValueError, "without a limit: give max_duration"),
        ({"max_duration": 1}, ValueError, "not for a 'result' method: give timeout"),
        ({"max_duration": 0, "response": "none"}, ValueError, "seconds above 0, got 0"),
        ({"max_concurrency": 0}, ValueError, "1 at least, got 0"),
        ({"executor": "process"}, TypeError, "an executor runs plain functions"),
        ({"executor": "thread"}, TypeError, "'process' or a concurrent.futures.Executor"),
    ],
)
def test_bad_options(arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Client().handle("a", echo, **arguments)


def plain(data: Any) -> Any:
    return data


def with_context(data: Any, ctx: Any) -> Any:
    return data


def generator(data: Any) -> Iterator[Any]:
    yield data


@pytest.mark.parametrize(
    ("function", "arguments", "error", "text"),
    [
        (lambda data: data, {"executor": "process"}, TypeError, "is found by no other process"),
        (_named("inner"), {"executor": "process"}, TypeError, "an executor runs plain functions"),
        (with_context, {"executor": "process"}, TypeError, "has no context"),
        (generator, {"executor": "process"}, TypeError, "chunks cannot be fetched"),
        (plain, {"executor": "process", "sync_to_thread": False}, TypeError, "plain functions"),
        (generator, {"batch": Batch()}, ValueError, "it cannot stream"),
        (with_context, {"batch": Batch()}, TypeError, "a batch handler has no context"),
        (plain, {"batch": Batch(), "max_concurrency": 31}, ValueError, "no batch has 32"),
    ],
)
def test_handlers_that_cannot_run_there(
    function: Any, arguments: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Client().handle("a", function, **arguments)


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_a_pool_that_forks_is_refused() -> None:
    fork = multiprocessing.get_context("fork")
    with (
        concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as pool,
        pytest.raises(ValueError, match="get_context\\('spawn'\\)"),
    ):
        Client().handle("a", plain, executor=pool)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"max_size": 0}, "max_size is 1 at least, got 0"),
        ({"max_wait": -1}, "from 0 to 3600 seconds, got -1"),
        ({"max_wait": float("nan")}, "from 0 to 3600 seconds, got nan"),
        ({"max_running": 0}, "max_running is 1 at least, got 0"),
    ],
)
def test_bad_batches(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Batch(**arguments)


@pytest.mark.parametrize(
    "name",
    ["max_payload_size", "max_concurrency", "max_in_flight_bytes", "max_threads", "max_processes"],
)
def test_counts_are_integers(name: str) -> None:
    """In the event loop a float fails, where nobody hears of it."""
    with pytest.raises(TypeError, match=f"{name} is an integer, got 8.0"):
        Client(**{name: 8.0})  # type: ignore[arg-type]


def test_other_counts_are_integers() -> None:
    for batch_name in ("max_size", "max_running"):
        with pytest.raises(TypeError, match=f"{batch_name} is an integer, got 8.0"):
            Batch(**{batch_name: 8.0})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"max_concurrency is an integer, got 2\.5"):
        Client().handle("a", echo, max_concurrency=2.5)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"max_retries is an integer, got 1\.5"):
        SpawnPolicy(max_retries=1.5)  # type: ignore[arg-type]


def test_names_are_given_once() -> None:
    client = Client().handle("a", echo).event("a")
    with pytest.raises(ValueError, match="the method 'a' is registered already"):
        client.handle("a", echo)
    with pytest.raises(ValueError, match="the event 'a' is registered already"):
        client.event("a")
    with pytest.raises(TypeError, match="has no name"):
        client.handle(lambda data: data)
    with pytest.raises(TypeError, match="is a text, got ''"):
        client.event("")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_payload_size": 0}, "max_payload_size is from 1 to 2147483647, got 0"),
        ({"max_payload_size": 2**31}, "from 1 to 2147483647, got"),
        ({"max_concurrency": 0}, "1 at least, got 0"),
        ({"max_in_flight_bytes": 0}, "1 at least, got 0"),
        ({"max_threads": 0}, "max_threads is 1 at least, got 0"),
        ({"max_processes": 0}, "max_processes is 1 at least, got 0"),
        ({"backpressure_timeout": 0.0}, "seconds above 0, got 0"),
        ({"liveness": "thread"}, "liveness is 'loop' or 'process', got 'thread'"),
        ({"stall_report": 0}, "stall_report is 0.1 s at least, got 0"),
        ({"stall_report": float("nan")}, "stall_report is 0.1 s at least, got nan"),
        ({"stall_report": float("inf")}, "stall_report is 0.1 s at least, got inf"),
        ({"default_codec": "json"}, "there is no codec 'json'"),
        ({"announce": "late"}, "announce is 'ready' or 'early', got 'late'"),
        ({"ints": "round"}, "ints is 'error', 'string', 'float' or 'allow', got 'round'"),
        ({"surrogates": "drop"}, "surrogates is 'error' or 'replace', got 'drop'"),
    ],
)
def test_bad_limits(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Client(**options)


def test_codecs_are_objects_too() -> None:
    Client(default_codec=Reversing()).handle("a", echo).handle("b", echo, codec=MsgpackCodec())


def test_before_the_start() -> None:
    client = Client().handle("a", echo).event("e")
    assert not client.connected
    with pytest.raises(NotConnectedError, match="no parent"):
        asyncio.run(client.emit("e", 1))
    with pytest.raises(UnknownEventError, match="'f' is not registered"):
        asyncio.run(client.emit("f", 1))
    with pytest.raises(NotConnectedError, match="not been started"):
        asyncio.run(client.wait_closed())
    asyncio.run(client.shutdown())
