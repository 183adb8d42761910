"""Start-up and shutdown for those who own the event loop, and what can be registered for it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from procwire import AlreadyStartedError, Client

from ..inprocess import serve, without_a_parent
from ..loops import loop_factory


async def echo(data: Any) -> Any:
    return data


async def takes_one(argument: Any) -> None:
    """Cannot be called as a hook."""


async def generator(client: Client) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize(
    ("register", "text"),
    [
        (lambda: Client(lifespan=generator), "put @contextlib.asynccontextmanager on it"),
        (lambda: Client(lifespan=5), "a function of the client, got 5"),  # type: ignore[arg-type]
        (lambda: Client().on_startup(5), "without parameters, got 5"),  # type: ignore[type-var]
        (lambda: Client().on_startup(takes_one), "takes_one needs some"),  # type: ignore[type-var]
        (lambda: Client().on_shutdown(takes_one), "takes_one needs some"),  # type: ignore[type-var]
        (lambda: Client().middleware(lambda data, ctx, call_next: None), "is an async def"),  # type: ignore[type-var]
    ],
)
def test_what_cannot_be_registered(register: Callable[[], Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        register()


class Middleware:
    async def __call__(self, data: Any, ctx: Any, call_next: Any) -> Any:
        return await call_next(data)


def test_what_can_be_registered() -> None:
    client = Client()
    middleware = Middleware()
    for function in (middleware, middleware.__call__, functools.partial(middleware)):
        assert client.middleware(function) is function  # type: ignore[type-var]
    for hook in (lambda: None, functools.partial(takes_one, 1), dict):
        assert client.on_startup(hook) is hook
        assert client.on_shutdown(hook) is hook


def test_after_the_start_it_is_late(loop_name: str) -> None:
    async def main() -> None:
        client = Client().handle("echo", echo)
        await serve(client)
        for register in (client.on_startup, client.on_shutdown, client.middleware):
            with pytest.raises(AlreadyStartedError, match="has been started, a"):
                register(Middleware())  # type: ignore[type-var]
        await client.shutdown()

    run(loop_name, main())


def run(loop_name: str, main: Any) -> None:
    with asyncio.Runner(loop_factory=loop_factory(loop_name)) as runner:
        runner.run(main)


class Recorded:
    """A client with a lifespan that says what happens to it."""

    def __init__(self, *, fails: BaseException | None = None, waits: bool = False) -> None:
        self.log: list[str] = []
        self.entered = asyncio.Event()
        self._fails = fails
        self._waits = waits
        self.client = Client(lifespan=self.lifespan).handle("echo", echo)

        @self.client.on_shutdown
        async def closed() -> None:
            self.log.append("hook")

    @asynccontextmanager
    async def lifespan(self, client: Client) -> AsyncIterator[dict[str, int]]:
        assert client is self.client
        self.entered.set()
        try:
            if self._waits:
                await asyncio.sleep(3600)
            if self._fails is not None:
                raise self._fails
            yield {"answer": 42}
        finally:
            self.log.append("left")


def test_a_client_that_is_served(loop_name: str) -> None:
    async def main() -> None:
        recorded = Recorded()
        await serve(recorded.client)
        assert recorded.client.state.answer == 42
        await recorded.client.shutdown()
        assert recorded.log == ["hook", "left"]
        assert len(asyncio.all_tasks()) == 1

    run(loop_name, main())


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("no")])
def test_start_raises_what_start_up_raises(loop_name: str, error: BaseException) -> None:
    async def main() -> None:
        recorded = Recorded(fails=error)
        with pytest.raises(type(error)) as raised:
            await serve(recorded.client)
        assert raised.value is error
        assert recorded.log == ["left"]
        await recorded.client.wait_closed()
        assert len(asyncio.all_tasks()) == 1

    run(loop_name, main())


def test_a_start_that_is_cancelled(loop_name: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        recorded = Recorded(waits=True)
        starting = asyncio.create_task(serve(recorded.client))
        await recorded.entered.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert recorded.log == ["left"]
        # It was given up at once, not when its time was over.
        assert not caplog.records
        assert len(asyncio.all_tasks()) == 1

    run(loop_name, main())


def test_a_shutdown_during_the_start(loop_name: str) -> None:
    async def main() -> None:
        recorded = Recorded(waits=True)
        with without_a_parent() as factories:
            starting = asyncio.create_task(recorded.client.start())
            await recorded.entered.wait()
            await recorded.client.shutdown()
            await starting
        assert recorded.log == ["left"]
        # Nobody can connect to it.
        assert not factories

    run(loop_name, main())
