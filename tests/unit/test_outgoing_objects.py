"""Values with fields, and enums, on their way out."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pydantic
import pytest
from pydantic.alias_generators import to_camel

from .sent import Chain, OddText, Slot, refusal, seen


class Struct(msgspec.Struct, rename="camel"):
    user_id: int
    tags: list[str] = msgspec.field(default_factory=list)
    when: Any = None


class Tagged(Struct, tag="user", tag_field="kind"):
    pass


class Sparse(msgspec.Struct, omit_defaults=True):
    a: int
    b: int = 1
    c: list[int] = []
    d: dict[str, int] = msgspec.field(default_factory=dict)
    e: int | msgspec.UnsetType = msgspec.UNSET


class Partial(msgspec.Struct):
    a: int | msgspec.UnsetType = msgspec.UNSET
    b: list[int] = msgspec.field(default_factory=list)


class Required(msgspec.Struct, kw_only=True, omit_defaults=True):
    a: int = 1
    b: int


class Row(msgspec.Struct, array_like=True):
    a: int
    b: str = "x"


class TaggedRow(Row, array_like=True, tag=7):
    pass


STRUCTS = [
    Struct(1),
    Struct(1, ["a"], Struct(2)),
    Tagged(3),
    Sparse(1),
    Sparse(1, 2, [3], {"k": 4}, 5),
    Sparse(1, 1, [], {}),
    Partial(),
    Required(b=2),
    Required(a=5, b=2),
    Row(1),
    TaggedRow(1, "y"),
    [Row(1), {"s": Sparse(0)}],
]


@pytest.mark.parametrize("value", STRUCTS, ids=repr)
def test_structs_look_as_to_msgspec_itself(value: Any) -> None:
    assert seen(value) == msgspec.to_builtins(value)


class Line(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(alias_generator=to_camel)

    product_name: str
    unit_price: Decimal
    at: datetime | None = None
    secret: str = pydantic.Field("x", exclude=True)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> Decimal:
        return 2 * self.unit_price


class Lines(pydantic.RootModel[list[Line]]):
    pass


def line(**fields: Any) -> Line:
    return Line.model_validate({"productName": "p", "unitPrice": "1.10", **fields})


def test_pydantic_models_say_themselves_what_is_in_them() -> None:
    expected = {"productName": "p", "unitPrice": "1.10", "at": None, "twice": "2.20"}
    assert seen({"line": line()}) == {"line": expected}
    assert seen(Lines([line(), line()])) == [expected, expected]
    # Not the text that its own JSON would have.
    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert seen(line(at=at))["at"] == at
    assert refusal([line(at=datetime(2026, 1, 2))]).startswith("$[0].at: a naive datetime")


@pydantic.dataclasses.dataclass
class Order:
    order_id: int = pydantic.Field(alias="orderId")
    lines: list[Line] = pydantic.Field(default=[])
    secret: str = pydantic.Field("x", exclude=True)
    at: datetime | None = None


def test_dataclasses_of_pydantic_are_sent_as_models_are() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    expected = {"productName": "p", "unitPrice": "1.10", "at": None, "twice": "2.20"}
    order = Order(orderId=1, lines=[line()], at=at)  # type: ignore[call-arg]
    assert seen([order]) == [{"orderId": 1, "lines": [expected], "at": at}]


@dataclass
class SpecialOrder(Order):
    discount: int = 0


def test_a_dataclass_that_pydantic_knows_nothing_of_has_all_its_fields() -> None:
    assert seen(SpecialOrder(1, [], "x", None, 5))["discount"] == 5


class Site(pydantic.BaseModel):
    page: pydantic.HttpUrl
    other: pydantic.AnyUrl
    database: pydantic.PostgresDsn
    host: pydantic.IPvAnyAddress


def test_urls_and_addresses_are_their_texts() -> None:
    texts = {
        "page": "https://example.org/a",
        "other": "x://y",
        "database": "postgres://user@host:5432/db",
        "host": "127.0.0.1",
    }
    assert seen(Site.model_validate(texts)) == texts


def test_attrs_classes_are_their_fields() -> None:
    assert seen(Slot(1, nested=[Slot(3)])) == {
        "x": 1,
        "_hidden": 2,
        "nested": [{"x": 3, "_hidden": 2, "nested": None}],
    }
    assert refusal([Slot(2**60)]).startswith("$[0].x: the integer")


@dataclass
class Node:
    child: Any = None
    late: Any = field(init=False, repr=False)


def test_a_field_that_is_not_there() -> None:
    assert refusal([Node()]) == (
        "$[0]: cannot be packed: AttributeError: 'Node' object has no attribute 'late'"
    )


def chain(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = Chain(value)
    return value


def test_nesting_counts_values_with_fields() -> None:
    value = seen(chain(500))
    for _ in range(500):
        value = value["child"]
    assert value is None
    for levels in (501, 1100, 100_000):
        assert "nested more than 500 levels deep" in refusal(chain(levels))
    lists = [[[Chain([[[1]]])]]]
    for _ in range(493):
        lists = [lists]
    assert seen(lists)
    assert "nested more than 500 levels deep" in refusal([lists])
    # What is beside it has as much room as it would have alone.
    assert seen([lists[0], Chain(chain(498))])
    endless = Chain()
    endless.child = endless
    text = refusal(endless)
    assert "nested more than 500 levels deep, or in a circle" in text
    assert len(text) < 300


class Odd(enum.Enum):
    """Members that are texts themselves, of another value."""

    def __new__(cls, value: int) -> Odd:
        member = object.__new__(cls)
        member._value_ = value
        return member

    FIRST = 1


def test_an_enum_is_its_value() -> None:
    assert seen([Odd.FIRST, OddText.FIRST, {OddText.FIRST: 2}]) == [1, 1, {1: 2}]
