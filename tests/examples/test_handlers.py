"""The examples' handlers, called in this process by the test kit."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import hashlib
import importlib
import random
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from procwire.errors import RemoteError
from procwire.testing import TestParent

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DEADLINE = 60.0
"""Seconds after which a test gives up; nothing that works takes a tenth of it."""


@pytest.fixture
def worker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The example that the test is named after, imported anew."""
    name = f"{request.node.name.split('_')[1]}_worker"
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module(name)
    del sys.modules[name]


def drive(worker: ModuleType, main: Callable[[TestParent], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE), TestParent(worker.client) as parent:
            await main(parent)

    asyncio.run(bounded())


def test_echo_answers(worker: ModuleType) -> None:
    async def main(parent: TestParent) -> None:
        value = {"id": 7, "at": datetime.datetime.fromtimestamp(0, datetime.UTC), "icon": b"\1\2"}
        assert await parent.send("echo", value) == value
        assert await parent.send("types", value) == {"id": "int", "at": "datetime", "icon": "bytes"}
        assert await parent.send("reverse", b"stressed") == b"desserts"

    drive(worker, main)


def test_echo_divides(worker: ModuleType) -> None:
    async def main(parent: TestParent) -> None:
        assert await parent.send("divide", {"a": 1, "b": 8}) == 0.125
        with pytest.raises(RemoteError, match="division by zero") as caught:
            await parent.send("divide", {"a": 1, "b": 0})
        assert caught.value.code == "E_DIVISION"
        assert caught.value.data["dividend"] == 1

    drive(worker, main)


def test_stream_searches(worker: ModuleType, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("one\n  two and three\nfour\nand five\n")

    async def main(parent: TestParent) -> None:
        query = {"path": str(text), "text": "and"}
        hits = [hit async for hit in parent.stream("search", query)]
        assert hits == [{"line": 2, "text": "two and three"}, {"line": 4, "text": "and five"}]
        with pytest.raises(RemoteError, match="No such file"):
            await anext(parent.stream("search", {"path": f"{text}.no", "text": ""}))

    drive(worker, main)


def test_stream_of_noise_ends_with_its_reader(worker: ModuleType) -> None:
    async def main(parent: TestParent) -> None:
        async with aclosing(parent.stream("noise", {"size": 4096})) as blocks:
            taken = [await anext(blocks) for _ in range(100)]
        assert {len(block) for block in taken} == {4096}
        assert await parent.send("noise_report") >= 100

    drive(worker, main)


def test_event_reports_checksums(worker: ModuleType, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)

    async def main(parent: TestParent) -> None:
        assert await parent.send("checksums", str(tmp_path)) == {"files": 2}
        done = [(await parent.next_event("progress"))["done"] for _ in range(2)]
        assert done == [1, 2]
        digests = (await parent.next_event("finished"))["digests"]
        assert digests == {name: hashlib.sha256(name.encode()).hexdigest() for name in "ab"}
        (tmp_path / "empty").mkdir()
        with pytest.raises(RemoteError, match="no files") as caught:
            await parent.send("checksums", str(tmp_path / "empty"))
        assert caught.value.code == "E_EMPTY"

    drive(worker, main)


def test_event_search_that_is_cancelled(worker: ModuleType) -> None:
    async def main(parent: TestParent) -> None:
        assert await parent.send("configure", {"nonces_per_step": 1000}) is None
        nonce = (await parent.send("find_nonce", {"text": "procwire", "zeros": 2}))["nonce"]
        assert hashlib.sha256(f"procwire{nonce}".encode()).hexdigest().startswith("00")
        # Nobody finds so many zeros.
        search = asyncio.create_task(parent.send("find_nonce", {"text": "procwire", "zeros": 64}))
        while (await parent.next_event("progress"))["tried"] < 3000:
            pass
        search.cancel()
        finished = await parent.next_event("finished")
        assert finished["cancelled"]
        assert finished["tried"] % 1000 == 0

    drive(worker, main)


def test_image_finds_what_was_painted(worker: ModuleType) -> None:
    width, height = 60, 40
    # The sky scatters a little, as any does.
    sky = random.Random(1)
    pixels = bytearray(sky.randrange(8, 13) for _ in range(width * height * 3))
    for x, y in ((15, 10), (40, 30)):
        for row in range(y - 2, y + 3):
            start = 3 * (row * width + x - 2)
            pixels[start : start + 15] = bytes([250, 60, 60] * 5)
    ppm = b"P6\n60 40\n255\n" + pixels

    async def main(parent: TestParent) -> None:
        found = (await parent.send("find_sources", ppm))["sources"]
        assert sorted((round(one["x"]), round(one["y"])) for one in found) == [(15, 10), (40, 30)]
        assert [one["colour"] for one in found] == ["red", "red"]
        assert len(await parent.send("develop", ppm)) == width * height * 3
        for broken, code in ((b"GIF89a", "E_FORMAT"), (ppm[:-1], "E_SIZE")):
            with pytest.raises(RemoteError) as caught:
                await parent.send("develop", broken)
            assert caught.value.code == code

    drive(worker, main)


def test_image_of_the_sky(worker: ModuleType) -> None:
    async def main(parent: TestParent) -> None:
        ppm = gzip.decompress((EXAMPLES / "data" / "galaxies.ppm.gz").read_bytes())
        assert len((await parent.send("find_sources", ppm))["sources"]) > 60

    drive(worker, main)


def test_trace_goes_on(worker: ModuleType) -> None:
    trace_id = "0123456789abcdef0123456789abcdef"
    traceparent = f"00-{trace_id}-0123456789abcdef-01"

    async def main(parent: TestParent) -> None:
        answer = await parent.send("greet", {"traceparent": traceparent, "data": "Python"})
        assert answer == {"greeting": "Hello, Python", "trace_id": trace_id}
        answer = await parent.send("count", {"traceparent": traceparent, "data": "to be or not"})
        assert answer["words"] == 4
        assert answer["headers"]["traceparent"].startswith(f"00-{trace_id}-")
        untraced = await parent.send("greet", {"data": "you"})
        assert untraced["greeting"] == "Hello, you"

    drive(worker, main)
