"""A module for `python -m procwire run simple:client`."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from procwire import Client

client = Client()
app = SimpleNamespace(worker=client)


@client.handle
async def echo(data: Any) -> Any:
    return data


@client.handle
async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


client.event("tick")
