"""What Python's values become on their way out, and what the policies of a codec make of them.

docs/values.md has a row for most types; here is what a table has no room for.
"""

from __future__ import annotations

import gc
import math
import re
import sys
import weakref
from array import array
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from procwire import CodecError, MsgpackCodec, outgoing

from .sent import SAFE, Chain, Level, Money, OddText, Slot, plain, refusal, seen

# ---- integers, floats, strings -------------------------------------------------------------------


def test_integers_have_a_policy() -> None:
    beyond = [2**53, -(2**53), 2**60 + 1, Level.HUGE, SAFE, -SAFE, np.int64(2**60)]
    text = [str(int(value)) for value in beyond]
    assert seen(beyond, ints="string") == [*text[:4], SAFE, -SAFE, str(2**60)]
    assert seen(beyond, ints="float") == [
        2.0**53, -(2.0**53), 2.0**60, 2.0**60, SAFE, -SAFE, 2.0**60,
    ]  # fmt: skip
    assert seen(beyond, ints="allow") == [int(value) for value in beyond]
    assert seen([2**64 - 1, -(2**63)], ints="allow") == [2**64 - 1, -(2**63)]
    assert "$[0]: the integer 18446744073709551616 has more than 64 bits" in refusal(
        [2**64], ints="allow"
    )
    assert refusal({"a": 10**400}, ints="float").startswith("$.a: cannot be packed: OverflowError")
    assert seen(10**400, ints="string") == str(10**400)
    assert seen({2**60: 1}, ints="string") == {str(2**60): 1}
    assert seen({2**60: 1}, ints="allow") == {2**60: 1}


def test_an_integer_too_long_to_be_written() -> None:
    limit = sys.get_int_max_str_digits()
    assert refusal([10**limit], ints="string").startswith("$[0]: cannot be packed: ValueError")


def test_floats_that_are_not_finite_have_a_policy() -> None:
    values = [1.5, math.nan, {"a": (math.inf, -math.inf)}, np.float32("nan"), Chain(math.nan)]
    assert repr(seen(values)) == (
        "[1.5, nan, {'a': [inf, -inf]}, nan, {'child': nan}]"
    )  # fmt: skip
    assert seen(values, nan="null") == [1.5, None, {"a": [None, None]}, None, {"child": None}]
    assert refusal(values, nan="error") == "$[1]: nan is not a finite number"
    # A key is a string in any case.
    assert list(seen({math.inf: 1}, nan="null")) == [math.inf]


def test_lone_surrogates_have_a_policy() -> None:
    assert seen(["ok", "a\udcffb", {"\ud800": "\udc00\ud800"}], surrogates="replace") == [
        "ok",
        "a\ufffdb",
        {"\ufffd": "\ufffd\ufffd"},
    ]
    # In JavaScript two halves are a whole.
    assert seen("\ud83d\ude80", surrogates="replace") == "🚀"
    assert seen(Chain("\udcff"), surrogates="replace") == {"child": "\ufffd"}
    assert refusal({"\ud800": 1}).startswith("$: the string has a lone surrogate at index 0")


def test_the_length_of_a_string_is_javascripts(monkeypatch: pytest.MonkeyPatch) -> None:
    # The fast look lets nothing through that may be longer; this is the slow one.
    monkeypatch.setattr(outgoing, "MAX_STRING_LENGTH", 10)
    with_policy = MsgpackCodec(nan="null")
    assert with_policy.encode("x" * 10)
    assert with_policy.encode("🚀" * 5)
    for value in ("x" * 11, "🚀" * 5 + "x", {"🚀" * 6: 1}):
        with pytest.raises(CodecError, match="longer than JavaScript's longest"):
            with_policy.encode(value)


# ---- keys ----------------------------------------------------------------------------------------


def test_a_key_goes_as_the_value_would() -> None:
    keys = {np.int64(1): 1, np.float32(0.5): 2, Decimal("1.10"): 3, OddText.FIRST: 4}
    assert seen(dict(list(keys.items())[:3])) == {1: 1, 0.5: 2, "1.10": 3}
    assert "two keys are '1'" in refusal(keys)
    assert refusal({"a": {Level.HUGE: 0}}).startswith("$.a: the integer 1152921504606846976")
    assert "keys of type bool" in refusal({np.True_: 1})
    assert "keys of type datetime" in refusal({datetime(2026, 1, 2, tzinfo=UTC): 1})


def test_keys_have_a_policy() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone(timedelta(hours=1)))
    keys = {None: 0, True: 1, (1, None, "a", (2.5, False)): 2, b"k": 3, moment: 4, (): 5, 1.5: 6}
    assert seen(keys, keys="string") == {
        "null": 0,
        "true": 1,
        "1,,a,2.5,false": 2,
        "k": 3,
        "2026-01-02T02:04:05.678Z": 4,
        "": 5,
        1.5: 6,
    }
    assert seen({datetime(2026, 1, 2): 1}, keys="string", naive="string") == {
        "2026-01-02T00:00:00": 1
    }
    for bad in (frozenset([1]), object(), b"\xff", (1, {2}.__class__), "__proto__", b"__proto__"):
        assert refusal([{bad: 1}], keys="string").startswith("$[0]: ")
    assert "refuses keys of type frozenset" in refusal({frozenset([1]): 1}, keys="string")
    assert "a naive datetime" in refusal({datetime(2026, 1, 2): 1}, keys="string")


def test_two_keys_that_are_one_in_javascript() -> None:
    for twins in ({1: 0, "1": 1}, {"0.5": 0, 0.5: 1}, {Decimal("1.0"): 0, "1.0": 1}):
        assert "in JavaScript, and one would be lost" in refusal({"t": twins}), twins
    assert seen({1: "a", "2": "b", 2.5: "c"}) == {1: "a", "2": "b", 2.5: "c"}
    assert "two keys are 'null'" in refusal({None: 1, "null": 2}, keys="string")


def test_dicts_whose_own_methods_say_something_else() -> None:
    class Sly(dict[Any, Any]):
        def items(self) -> Any:
            return {None: 1}.items()

    assert "keys of type NoneType" in refusal([Sly(a=1)])
    assert seen([OrderedDict(a=1), defaultdict(list, a=[2]), Counter("a")]) == [
        {"a": 1}, {"a": [2]}, {"a": 1},
    ]  # fmt: skip
    for honest in (OrderedDict(a=2**60), defaultdict(list, a=2**60), Counter(a=2**60)):
        assert refusal([honest]).startswith("$[0].a: the integer")


def test_paths_can_be_read() -> None:
    value = {"a b": [{"ok": {7: {"x" * 1000: {"\ud800": [2**60]}}}}]}
    assert refusal(value["a b"], surrogates="replace").startswith("$[0].ok[7]['xxxx")
    assert refusal({"a b": [{"née": 2**60}]}).startswith("$['a b'][0].née: the integer")
    # The text can itself be sent.
    refusal({"a\ud800": [2**60]}, surrogates="replace").encode()
    assert len(refusal(value, surrogates="replace")) < 600


# ---- default -------------------------------------------------------------------------------------


def spell(value: Any) -> Any:
    if isinstance(value, Money):
        return {"amount": value.amount}
    if value is Ellipsis:
        return Money(1)
    raise TypeError(f"what is a {type(value).__name__}?")


def test_default_is_asked_for_what_has_no_form() -> None:
    value = [Money(Decimal("1.5")), {"m": Money([Money(2)])}, ...]
    assert seen(value, default=spell) == [
        {"amount": "1.5"},
        {"m": {"amount": [{"amount": 2}]}},
        {"amount": 1},
    ]


def test_what_default_returns_is_looked_at() -> None:
    assert refusal({"a": [Money(2**60)]}, default=spell).startswith("$.a[0].amount: the integer")
    assert seen([Money(2**60)], default=spell, ints="string") == [{"amount": str(2**60)}]
    assert seen(Money("\udcff"), default=spell, surrogates="replace") == {"amount": "\ufffd"}
    assert "naive" in refusal(Money(datetime(2026, 1, 2)), default=spell)


def test_what_default_raises_has_its_place() -> None:
    with pytest.raises(CodecError) as caught:
        MsgpackCodec(default=spell).encode({"a": [1j]})
    assert str(caught.value) == "$.a[0]: cannot be packed: TypeError: what is a complex?"
    assert isinstance(caught.value.__cause__, TypeError)

    def refuse(value: Any) -> Any:
        raise CodecError("not this one")

    assert refusal([1j], default=refuse) == "$[0]: not this one"
    assert refusal([1j], default=lambda value: value).startswith("$[0]: converted more than 100")

    def exhaust(value: Any) -> Any:
        raise MemoryError

    # Packed at once, and walked.
    for value in ([1j], [2**60, 1j]):
        with pytest.raises(MemoryError):
            MsgpackCodec(default=exhaust, ints="float").encode(value)


def test_default_is_not_asked_for_what_has_a_form() -> None:
    asked = []

    def remember(value: Any) -> Any:
        asked.append(value)

    seen([1, "a", Decimal(1), {1}, Chain(), np.arange(3), Slot(1), array("b")], default=remember)
    assert asked == []


def test_default_may_use_the_codec() -> None:
    def pack(value: Any) -> bytes:
        return codec.encode([1, str(value)])

    codec = MsgpackCodec(default=pack)
    assert plain.decode(codec.encode([1j, 2j])) == [
        plain.encode([1, "1j"]),
        plain.encode([1, "2j"]),
    ]


# ---- the choices ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "error", "text"),
    [
        ({"ints": "str"}, ValueError, "ints is 'error', 'string', 'float' or 'allow', got 'str'"),
        ({"keys": None}, ValueError, "keys is 'error' or 'string', got None"),
        ({"naive": "UTC"}, ValueError, "naive is 'error', 'utc', 'local' or 'string', got 'UTC'"),
        ({"surrogates": []}, ValueError, "surrogates is 'error' or 'replace', got []"),
        ({"nan": "none"}, ValueError, "nan is 'allow', 'null' or 'error', got 'none'"),
        ({"arrays": "tuple"}, ValueError, "arrays is 'bytes' or 'list', got 'tuple'"),
        ({"default": "str"}, TypeError, "default is a function of a value, got 'str'"),
        ({"integers": "allow"}, TypeError, "unexpected keyword argument 'integers'"),
    ],
)
def test_bad_choices(policies: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        MsgpackCodec(**policies)


def test_no_class_is_kept_for_ever() -> None:
    def passing() -> weakref.ref[type]:
        kind = dataclass(type("Passing", (), {}))
        assert plain.encode(kind()) == b"\x80"
        return weakref.ref(kind)

    classes = [passing() for _ in range(1000)]
    gc.collect()
    assert sum(kind() is not None for kind in classes) < 600
