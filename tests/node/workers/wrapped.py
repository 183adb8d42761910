"""Middleware around each handler, details of errors, and what is counted."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from procwire import CallNext, Client, Context, HandlerError

client = Client(error_details=True, debug=os.environ.get("DEBUG") == "1")
if os.environ.get("DETAILS") == "0":
    client = Client()


@client.middleware
async def authorize(data: Any, ctx: Context, call_next: CallNext) -> Any:
    if isinstance(data, dict) and "token" in data:
        if data["token"] != "secret":
            raise HandlerError("not you", code="E_AUTH")
        return {"user": "you", "answer": await call_next(data["data"])}
    return await call_next(data)


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle("in_thread")
def in_thread(data: Any) -> Any:
    return data


@client.handle
async def numbers(data: Any) -> AsyncIterator[int]:
    for number in range(3):
        yield number


@client.handle
async def broken(data: Any) -> AsyncIterator[int]:
    yield 1
    raise ExceptionGroup("several", [ValueError("a"), KeyError("b")])


class Silent(BaseException):
    def __str__(self) -> str:
        raise SystemExit("no text for you")


FAILURES: dict[str, BaseException] = {
    "value": ValueError("oops"),
    "silent": Silent(),
    "exit": SystemExit(3),
    "surrogate": OSError("file \udcff"),
    "refused": HandlerError("refused", code="E1"),
    "unsendable": HandlerError("refused", code="E1", thing=object()),
}


@client.handle
async def fail(kind: str) -> None:
    raise FAILURES[kind]


@client.handle("fail_in_thread")
def fail_in_thread(kind: str) -> None:
    raise FAILURES[kind]


@client.handle
async def stubborn(data: Any) -> str:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    return "too late"


@client.handle
async def stats(data: Any) -> Any:
    return client.stats()


if __name__ == "__main__":
    client.run(loop=os.environ["LOOP"])  # type: ignore[arg-type]
