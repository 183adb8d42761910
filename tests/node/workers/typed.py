"""Typed handlers, for what JavaScript really sends, and for what TypeScript makes of them."""

import dataclasses
import enum
import os
import uuid
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

import msgspec
import pydantic

from procwire import Batch, Client, Context

client = Client(nil_as_missing=os.environ.get("NIL_AS_MISSING") == "1")


class Order(enum.Enum):
    UP = "up"
    DOWN = "down"


@dataclasses.dataclass
class Item:
    id: int
    name: str = "-"
    blob: bytes = b""
    at: datetime | None = None
    price: float = 0.0
    by_year: dict[int, list[float]] = dataclasses.field(default_factory=dict)
    order: Order = Order.UP


@dataclasses.dataclass
class Totals:
    items: list[Item]
    total: int


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    weight: Decimal


class Person(pydantic.BaseModel):
    name: str
    age: int = 0
    photo: bytes = b""


class Point(NamedTuple):
    x: float
    y: float = 0.5


class Options(TypedDict):
    depth: int
    ids: NotRequired[dict[int, uuid.UUID]]


class Tree(msgspec.Struct):
    value: int
    children: "list[Tree]" = []


class Account(pydantic.BaseModel):
    """Fields with another name on each way, or on one way only."""

    name: str = pydantic.Field(validation_alias="userName", serialization_alias="user-name")
    mail: str = pydantic.Field("-", validation_alias=pydantic.AliasChoices("mail", "email"))
    city: str = pydantic.Field("-", validation_alias=pydantic.AliasPath("address", "city"))
    street: str = pydantic.Field("-", validation_alias=pydantic.AliasPath("address", "street"))
    password: str = pydantic.Field(exclude=True)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def greeting(self) -> str:
        return f"Dear {self.name}"


class Json(pydantic.RootModel["dict[str, Json] | list[Json] | str | float | None"]):
    pass


class Sparse(msgspec.Struct, omit_defaults=True):
    id: int
    name: str = "-"


class Change(msgspec.Struct):
    id: int
    name: str | msgspec.UnsetType = msgspec.UNSET
    photo: bytes = b""


class Style(NamedTuple):
    """Fields that JavaScript has other words for."""

    var: float
    default: str | None = None


class Edge(msgspec.Struct, array_like=True, tag=True, tag_field="edge-type", kw_only=True):
    weight: float = 0.0
    end: int


@client.handle
async def describe(data: Item) -> str:
    return ascii(data)


@client.handle
async def describe_many(data: list[Item]) -> list[str]:
    return [ascii(item) for item in data]


@client.handle
async def describe_pet(data: Cat | Dog) -> str:
    return ascii(data)


@client.handle
async def describe_person(data: Person) -> str:
    return ascii(data)


@client.handle
async def store(data: Item) -> Item:
    return data


@client.handle
async def sum_up(data: list[Item]) -> Totals:
    return Totals(data, len(data))


@client.handle
async def letters(data: Literal["a", "b"]) -> AsyncIterator[str]:
    yield data


@client.handle(response="ack")
async def begin(data: Options, ctx: Context) -> None:
    await ctx.ack()


@client.handle(response="none")
async def forget(data: Person) -> None:
    pass


@client.handle(batch=Batch(max_wait=0))
async def norms(data: list[Point]) -> list[float | Exception]:
    return [point.x + point.y for point in data]


@client.handle
async def grow(data: Tree) -> Tree | None:
    return None


@client.handle
async def sign_up(data: Account) -> Account:
    return data


@client.handle
async def json(data: Json) -> Json:
    return data


@client.handle
async def shorten(data: Sparse) -> Sparse:
    return data


@client.handle
async def change(data: Change) -> Change:
    return data


@client.handle
async def restyle(data: Style) -> Style:
    return data


@client.handle
async def connect(data: Edge) -> Edge:
    return data


@client.handle("raw-bytes", codec="raw")
async def raw_bytes(data: bytes) -> bytes:
    return data


@client.handle
async def anything(data: Any) -> Any:
    return data


client.event("stored", data=Item).event("noise", codec="raw")

if __name__ == "__main__":
    client.run(loop=os.environ.get("LOOP", "asyncio"))
