"""What payloads become by an annotation, and what is said of those that cannot."""

import dataclasses
import enum
import inspect
import pickle
import struct
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Optional, TypedDict

import attrs
import msgpack
import msgspec
import numpy as np
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from procwire import Client, CodecError, HandlerError, MsgpackCodec, RawCodec, ValidationError
from procwire.arrays import Shape
from procwire.decoders import Wanted, decoder_for
from procwire.typed import checked
from procwire.typed.plain import is_plain

CODEC = MsgpackCodec()
BUFFER = msgpack.ExtType(1, b"ab")
DATE_2 = msgpack.ExtType(2, struct.pack(">d", 1700000000123.0))
NOON = datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
INVALID_DATE = b"\xc7\x0c\xff" + bytes(12)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    BIG = 2**53


@dataclasses.dataclass
class Item:
    id: int
    blob: bytes = b""
    at: datetime | None = None
    scores: dict[str, int] = dataclasses.field(default_factory=dict)


class Query(msgspec.Struct):
    text: str
    items: list[Item] = []
    limit: int = 10
    by_id: dict[int, float] = {}


class Tree(msgspec.Struct):
    value: int
    children: "list[Tree]" = []


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    weight: float


class Row(msgspec.Struct, array_like=True):
    id: int
    name: str = "-"


class Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    max_size: int


class Range(msgspec.Struct):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")
        if self.low == 13:
            raise KeyError("unlucky")


class Options(TypedDict):
    depth: int
    name: NotRequired[str]


class Point(NamedTuple):
    x: float
    y: float = 0.5


@attrs.define
class Account:
    owner: str
    balance: int = attrs.field(default=3, validator=attrs.validators.gt(2))


class Model(pydantic.BaseModel):
    id: int
    tags: list[str] = []


class Holder(msgspec.Struct):
    model: Model
    more: list[Model] = []


class Search(pydantic.BaseModel):
    words: str
    limit: int = 10


class Lookup(pydantic.BaseModel):
    id: int | str
    depth: int | bool = 1


class Text(pydantic.BaseModel):
    type: Literal["text"]
    text: str
    size: int = 10


class Image(pydantic.BaseModel):
    type: Literal["image"]
    image: dict[str, int]
    alt: str = "-"
    parts: "list[Text | Image]" = []


class Parsed(pydantic.BaseModel):
    text: pydantic.Json[dict[str, int]]


class Alert(pydantic.BaseModel):
    to: str = pydantic.Field(validation_alias=pydantic.AliasPath("header", "to"))


Block = Annotated[Text | Image, pydantic.Field(discriminator="type")]


class Page(msgspec.Struct):
    alert: Alert | None = None
    body: Search | None = None
    found: pydantic.RootModel[list[Search | Lookup]] | None = None


def decode(annotation: Any, value: Any, *, nil_as_missing: bool = False) -> Any:
    payload = value if isinstance(value, Raw) else msgpack.packb(value, datetime=True)
    return decoder_for(Wanted(annotation, CODEC, nil_as_missing)).decode(payload)


class Raw(bytes):
    """A payload, and not a value."""


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 5, 5),
        (float, 1, 1.0),
        (bool, True, True),
        (str, "a", "a"),
        (type(None), None, None),
        (Optional[int], None, None),  # noqa: UP045 - the older way
        (int | str, "a", "a"),
        (Literal["a", 1], 1, 1),
        (Colour, "red", Colour.RED),
        (Level, 1, Level.LOW),
        (uuid.UUID, str(uuid.UUID(int=7)), uuid.UUID(int=7)),
        (Decimal, "1.10", Decimal("1.10")),
        (date, "2023-11-14", date(2023, 11, 14)),
        (datetime, NOON, NOON),
        (datetime, NOON.isoformat(), NOON),
        (datetime, DATE_2, NOON),
        (bytes, b"ab", b"ab"),
        (bytes, BUFFER, b"ab"),
        (bytearray, BUFFER, bytearray(b"ab")),
        (list[bytes], [BUFFER, b"c"], [b"ab", b"c"]),
        (list[int], [1, 2], [1, 2]),
        (Sequence[int], [1, 2], [1, 2]),
        (Iterable[int], [1, 2], [1, 2]),
        (Mapping[str, int], {"a": 1}, {"a": 1}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
        (set[str], ["a", "a"], {"a"}),
        (dict[str, list[int]], {"a": [1]}, {"a": [1]}),
        (Item, {"id": 1, "blob": BUFFER, "at": NOON}, Item(1, b"ab", NOON)),
        (Query, {"text": "a", "items": [{"id": 1}]}, Query("a", [Item(1)])),
        (Tree, {"value": 1, "children": [{"value": 2}]}, Tree(1, [Tree(2)])),
        (Cat | Dog, {"type": "Dog", "weight": 3}, Dog(3.0)),
        (Row, [1], Row(1)),
        (Strict, {"maxSize": 1}, Strict(1)),
        (Options, {"depth": 1, "more": 2}, {"depth": 1}),
        (Point, [1], Point(1.0)),
        (Account, {"owner": "a"}, Account("a")),
        (Annotated[int, msgspec.Meta(ge=0)], 0, 0),
        (list[Any], [1, BUFFER, NOON, Raw(b"x"), None], [1, b"ab", NOON, b"x", None]),
        (list[Any], Raw(b"\x91" + INVALID_DATE), [None]),
        (datetime | None, Raw(INVALID_DATE), None),
        (Model, {"id": "5"}, Model(id=5)),
        (list[Model], [{"id": 5}], [Model(id=5)]),
        (Model | None, None, None),
        (Holder, {"model": {"id": 1}}, Holder(Model(id=1))),
    ],
)
def test_what_payloads_become(annotation: Any, value: Any, expected: Any) -> None:
    decoded = decode(annotation, value)
    assert decoded == expected
    assert type(decoded) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (int, 2.0**53, 2**53),
        (int | None, 2.0**60, 2**60),
        (Level, 2.0**53, Level.BIG),
        (Literal[9007199254740992], 2.0**53, 2**53),
        (int | float, 2.0**53, 2.0**53),
        (list[Any], [2.0**53], [2.0**53]),
        (dict[int, float], {"1": 2, "-3": 4.5}, {1: 2.0, -3: 4.5}),
        (dict[int, int], {1: 2.0**53}, {1: 2**53}),
        (dict[uuid.UUID, int], {str(uuid.UUID(int=1)): 1}, {uuid.UUID(int=1): 1}),
        (Query, {"text": "a", "by_id": {"7": 1}}, Query("a", by_id={7: 1.0})),
        (Tree, {"value": 1, "children": [{"value": 2.0**53}]}, Tree(1, [Tree(2**53)])),
        (tuple[int, str], [2.0**53, "a"], (2**53, "a")),
        (Row, [2.0**53, "a"], Row(2**53, "a")),
        (list[Cat | Dog], [{"type": "Cat", "lives": 2.0**53}], [Cat(2**53)]),
        # A lone surrogate, which is no UTF-8.
        (Query, Raw(b"\x81\xa4text\xa3\xed\xa0\x80"), Query("\ud800")),
    ],
)
def test_what_javascript_cannot_say_is_understood(
    annotation: Any, value: Any, expected: Any
) -> None:
    decoded = decode(annotation, value)
    assert decoded == expected
    assert repr(decoded) == repr(expected)


MISMATCHES = [
    (int, "5", "$", "int", "str"),
    (int, 1.5, "$", "int", "float"),
    (int, True, "$", "int", "bool"),
    (bool, 1, "$", "bool", "int"),
    (str, BUFFER, "$", "str", "bytes"),
    (bytes, "YWI=", "$", "bytes", "str"),
    (float, "1.5", "$", "float", "str"),
    (int, None, "$", "int", "None"),
    (list[int], [1, "a"], "$[1]", "int", "str"),
    (list[int], {}, "$", "list[int]", "dict"),
    (dict[str, int], {"a": 1, "b": "c", "d": "e"}, "$.b", "int", "str"),
    (dict[int, int], {"1": 1, "b": 1}, "$", "int keys", "the key 'b'"),
    (dict[str, dict[str, int]], {"a": {"b": 1}, "c": {"d": 1, "e": ""}}, "$.c.e", "int", "str"),
    (Item, {"blob": b""}, "$.id", "int", "nothing"),
    (Query, {"text": "a", "items": [{"id": 1}, {"id": "b"}]}, "$.items[1].id", "int", "str"),
    (Query, {"text": "a", "items": [{"id": 1, "scores": {"a": 1, "b": []}}]},
     "$.items[0].scores.b", "int", "list"),
    (Query, {"text": "a", "limit": None}, "$.limit", "int", "None"),
    (Query, {"text": "a", "limit": 2.5}, "$.limit", "int", "float"),
    (Query, [], "$", "Query", "list"),
    (Item, {"id": 1, "at": 5}, "$.at", "datetime | None", "int"),
    (Colour, "green", "$", "'red' | 'blue'", "'green'"),
    (Literal["a", "b"], "c", "$", "'a' | 'b'", "'c'"),
    (uuid.UUID, "x", "$", "UUID", "'x'"),
    (datetime, Raw(INVALID_DATE), "$", "datetime", "None"),
    (datetime, Raw(b"\xc7\x0c\xff" + bytes(4) + b"\x7f" + bytes(7)), "$", "datetime", "Timestamp"),
    (date, NOON, "$", "date", "datetime"),
    (tuple[int, str], [1], "$", "tuple[int, str]", "list of length 1"),
    (Row, ["a"], "$[0]", "int", "str"),
    (Strict, {"maxSize": 1, "x": []}, "$.x", "no field of this name", "list"),
    (Strict, {"max_size": 1}, "$.max_size", "no field of this name", "int"),
    (Cat | Dog, {"type": "Cow"}, "$.type", "'Cat' | 'Dog'", "'Cow'"),
    (Cat | Dog, {}, "$.type", "'Cat' | 'Dog'", "nothing"),
    (Cat | Dog, {"type": "Cat", "lives": "9"}, "$.lives", "int", "str"),
    (Options, {}, "$.depth", "int", "nothing"),
    (Options, {"depth": 1, "name": None}, "$.name", "str", "None"),
    (Point, [], "$", "Point", "list of length 0"),
    (Annotated[int, msgspec.Meta(ge=0)], -1, "$", "int >= 0", "-1"),
    (Annotated[str, msgspec.Meta(max_length=2)], "x" * 99, "$", "str of length <= 2",
     "'" + "x" * 56 + "..."),
    (Range, {"low": 2, "high": 1}, "$", "Range", "dict of length 2"),
    (list[Range], [{"low": 2, "high": 1}], "$[0]", "Range", "dict of length 2"),
    (Range, {"low": 13, "high": 14}, "$", "Range", "a value that it refuses"),
    (Account, {"owner": "a", "balance": 1}, "$", "Account", "dict of length 2"),
    (Model, {"id": []}, "$.id", "a valid integer", "list"),
    (Model, {}, "$.id", "a value", "nothing"),
    (list[Model], [{"id": 1}, {"id": 1, "tags": [5]}], "$[1].tags[0]", "a valid string", "int"),
    (Holder, {"model": {"id": 1}, "more": [{"id": []}]}, "$.more[0].id", "a valid integer", "list"),
    # The names of a union's members are no part of a path.
    (list[Search | Lookup], [{"words": 5}], "$[0].words", "a valid string", "int"),
    (list[Search | Lookup], [{"limit": 5}], "$[0].words", "a value", "nothing"),
    (Search | Lookup, "a", "$",
     "a valid dictionary or instance of Search", "str"),
    (dict[str, Search | Lookup], {"Search": {}}, "$.Search.words", "a value", "nothing"),
    (Lookup, {"id": []}, "$.id", "a valid integer", "list"),
    (list[Block], [{"type": "text", "text": 5}], "$[0].text", "a valid string", "int"),
    (list[Block], [{"type": "text"}], "$[0].text", "a value", "nothing"),
    (list[Block], [{"type": "text", "text": "", "size": []}], "$[0].size", "a valid integer",
     "list"),
    (list[Block], [{"type": "image", "image": {"width": []}}], "$[0].image.width",
     "a valid integer", "list"),
    (list[Block], [{"type": "image", "image": {}, "alt": 5}], "$[0].alt", "a valid string", "int"),
    (list[Block], [{"type": "image", "image": {}, "parts": [{"type": "text", "text": 5}]}],
     "$[0].parts[0].text", "a valid string", "int"),
    # pydantic has parsed something there that is no part of the payload.
    (Parsed, {"text": '{"a": "b"}'}, "$.text.a",
     "a valid integer, unable to parse string as an integer", "'b'"),
    (Alert, {"header": {}}, "$.header.to", "a value", "nothing"),
    (Alert, {"header": {"to": 5}}, "$.header.to", "a valid string", "int"),
    (Page, {"found": [{"words": 5}]}, "$.found[0].words", "a valid string", "int"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "path", "expected", "got"), MISMATCHES)
def test_a_mismatch_says_where_and_what(
    annotation: Any, value: Any, path: str, expected: str, got: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        decode(annotation, value)
    error = caught.value
    assert (error.path, error.expected, error.got) == (path, expected, got)
    assert str(error).startswith(f"{path}: expected {expected}, got {got}")
    assert error.to_payload() == {
        "message": str(error),
        "code": "VALIDATION",
        "path": path,
        "expected": expected,
        "got": got,
    }


@pytest.mark.parametrize(
    ("annotation", "value", "reason"),
    [
        (Range, {"low": 2, "high": 1}, "low is above high"),
        (Range, {"low": 13, "high": 14}, "KeyError: 'unlucky'"),
        (uuid.UUID, "x", "Invalid UUID"),
        (Model, {"id": [], "tags": 5}, "and 1 more"),
    ],
)
def test_a_mismatch_gives_a_reason(annotation: Any, value: Any, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        decode(annotation, value)
    assert str(caught.value).endswith(f"({reason})")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.details) == (str(caught.value), caught.value.details)
    assert isinstance(copy, HandlerError)


def test_a_key_is_looked_for_among_so_many() -> None:
    def path(count: int) -> str:
        with pytest.raises(ValidationError) as caught:
            decode(dict[str, int], {**{f"k{number}": 1 for number in range(count)}, "last": ""})
        return caught.value.path

    assert path(999) == "$.last"
    assert path(1000) == "$[...]"


NIL = [
    (Query, {"text": "a", "limit": None}, Query("a")),
    (Item, {"id": 1, "blob": None, "at": None}, Item(1)),
    (Options, {"depth": 1, "name": None}, {"depth": 1}),
    (list[Query], [{"text": "a", "items": None}], [Query("a")]),
    (Model, {"id": 1, "tags": None}, Model(id=1)),
    (Holder, {"model": {"id": 1, "tags": None}}, Holder(Model(id=1))),
    (list[Search | Lookup], [{"words": "a", "limit": None}], [Search(words="a")]),
    (Lookup, {"id": 1, "depth": None}, Lookup(id=1)),
    (list[Block], [{"type": "text", "text": "a", "size": None}], [Text(type="text", text="a")]),
    (list[Block], [{"type": "image", "image": {"alt": 1}, "alt": None}],
     [Image(type="image", image={"alt": 1})]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "expected"), NIL)
def test_nil_as_missing(annotation: Any, value: Any, expected: Any) -> None:
    assert decode(annotation, value, nil_as_missing=True) == expected
    with pytest.raises(ValidationError):
        decode(annotation, value)


class Unfit(pydantic.BaseModel, strict=True):
    colour: Colour


class Fit(pydantic.BaseModel, strict=True):
    colour: Colour = pydantic.Field(strict=False)
    id: uuid.UUID = pydantic.Field(strict=False)
    day: date = pydantic.Field(strict=False)
    sizes: tuple[int, ...] = pydantic.Field(strict=False)


def test_a_strict_model_is_lenient_where_it_says_so() -> None:
    payload = {
        "colour": "red",
        "id": str(uuid.UUID(int=1)),
        "day": "2023-11-14",
        "sizes": [1, 2],
    }
    expected = Fit(colour=Colour.RED, id=uuid.UUID(int=1), day=date(2023, 11, 14), sizes=(1, 2))
    assert decode(Fit, payload) == expected
    with pytest.raises(
        ValidationError, match=r"^\$\.sizes\[0\]: expected a valid integer, got str"
    ):
        decode(Fit, {**payload, "sizes": ["1"]})
    with pytest.raises(ValidationError, match=r"^\$\.colour: expected an instance of Colour"):
        decode(Unfit, {"colour": "red"})


def test_nil_is_not_missing_where_there_is_no_default() -> None:
    for annotation in (Query, Model):
        with pytest.raises(ValidationError):
            decode(annotation, {"text": None, "id": None}, nil_as_missing=True)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x01\x01", b"\xdd\xff\xff\xff\xff", b"\xd4\x02a"]
)
@pytest.mark.parametrize("annotation", [list[int], dict[int, int], Query, Model, list[Any]])
def test_what_is_no_messagepack_is_no_mismatch(annotation: Any, payload: bytes) -> None:
    with pytest.raises(CodecError):
        decode(annotation, Raw(payload))


def nested(depth: int) -> Raw:
    return Raw(b"\x82\xa5value\x01\xa8children\x91" * depth + b"\x81\xa5value\x01")


# Since Python 3.14 it is the stack that has a limit.
@pytest.mark.parametrize("depth", [5000, 200_000] if sys.version_info < (3, 14) else [200_000])
def test_deep_nesting_is_an_error(depth: int) -> None:
    with pytest.raises(CodecError):
        decode(Tree, nested(depth))


@pytest.mark.skipif(sys.version_info < (3, 14), reason="that is too deep for it")
def test_what_the_stack_has_room_for_is_decoded() -> None:
    tree = decode(Tree, nested(5000))
    for _ in range(5000):
        (tree,) = tree.children
    assert tree == Tree(1)


# How fast a busy machine makes up values is no fault of theirs.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.builds(
            Item,
            st.integers(1 - 2**53, 2**53 - 1),
            st.binary(max_size=9),
            st.none() | st.integers(-(10**13), 10**13).map(lambda n: EPOCH + n * MILLISECOND),
            st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=3),
        ),
        max_size=4,
    )
)
def test_what_is_sent_is_what_arrives(items: list[Item]) -> None:
    """By both ways through the decoder: types with other keys than strings go the second one."""
    assert decode(list[Item], Raw(CODEC.encode(items))) == items
    query = {"text": "a", "items": items, "by_id": {"1": 1}}
    assert decode(Query, Raw(CODEC.encode(query))) == Query("a", items, by_id={1: 1.0})


# ---- which annotations ---------------------------------------------------------------------------


class Socket:
    pass


@pytest.mark.parametrize("annotation", [Socket, list[Socket], Item | Query, list[np.ndarray]])
def test_what_no_payload_can_become(annotation: Any) -> None:
    with pytest.raises(TypeError):
        Client().handle("a", lambda data: data, data=annotation)


@pytest.mark.parametrize("annotation", [Any, object])
def test_nothing_is_made_where_nothing_is_asked_for(annotation: Any) -> None:
    assert decoder_for(Wanted(annotation, CODEC)) is CODEC


def test_other_codecs_decide_for_themselves() -> None:
    raw = RawCodec()
    assert decoder_for(Wanted(Query, raw)) is raw


PLAIN = [
    None, bool, int, float, str, bytes, datetime, list, dict, list[int], Sequence[str],
    dict[str, Any], Mapping[str, list[int]], int | None, Literal["a"], Options,
    Annotated[int, "a"], Iterable[float],
]  # fmt: skip
MADE = [
    Item, Query, Colour, uuid.UUID, Decimal, date, set[int], tuple[int, ...], Point, dict[int, str],
    list[Item], Item | None, bytearray, Socket, Account,
]  # fmt: skip


@pytest.mark.parametrize("annotation", PLAIN)
def test_without_msgspec_plain_annotations_are_not_enforced(
    annotation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert is_plain(annotation)
    assert decoder_for(Wanted(annotation, CODEC)) is CODEC


@pytest.mark.parametrize("annotation", MADE)
def test_without_msgspec_others_name_the_extra(
    annotation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'procwire\[typed\]'"):
        Client().handle("a", lambda data: data, data=annotation)


def test_without_msgspec_models_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert decode(Model, {"id": 1}) == Model(id=1)


@pytest.mark.parametrize("annotation", [Any, object, inspect.Parameter.empty])
def test_an_answer_of_which_nothing_is_said_cannot_be_checked(annotation: Any) -> None:
    async def answer(data: Any) -> Any: ...

    answer.__annotations__["return"] = annotation
    with pytest.raises(ValueError, match="validate_result needs a return annotation"):
        Client().handle("a", answer, validate_result=True)


def test_an_answer_that_is_an_array_is_checked() -> None:
    pairs = checked(Wanted(Annotated[NDArray[np.float32], Shape(-1, 2)], CODEC))
    values = np.ones((3, 2), np.float32)
    assert pairs.encode(values) == CODEC.encode(values)
    with pytest.raises(CodecError, match="what the handler declares"):
        pairs.encode(values[:, 0].copy())


@pytest.mark.parametrize("annotation", [int, list[str]])
def test_without_msgspec_no_answer_can_be_checked(
    annotation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"validate_result takes msgspec: pip install"):
        checked(Wanted(annotation, CODEC))


def test_a_view_of_the_payload_keeps_it() -> None:
    view = decode(memoryview, BUFFER)
    assert bytes(view) == b"ab"
    assert sys.getrefcount(view.obj) >= 2
