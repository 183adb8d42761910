"""Any value, under any policy."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC
from typing import Any, Literal

import msgpack
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from procwire import CodecError, MsgpackCodec

from .sent import SAFE, Chain, Level, Money, refusal

POLICIES = st.fixed_dictionaries(
    {
        "ints": st.sampled_from(["error", "string", "float", "allow"]),
        "keys": st.sampled_from(["error", "string"]),
        "naive": st.sampled_from(["error", "utc", "local", "string"]),
        "surrogates": st.sampled_from(["error", "replace"]),
        "nan": st.sampled_from(["allow", "null", "error"]),
        "arrays": st.sampled_from(["bytes", "list"]),
        "default": st.sampled_from([None, repr, lambda value: [value.real, value.imag]]),
    }
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.binary(max_size=8)
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.complex_numbers()
    | st.sampled_from(list(Level))
    | st.integers(-128, 127).map(np.int8)
    | st.lists(st.floats(width=32), max_size=3).map(np.array)
)
KEYS = LEAVES.filter(lambda key: not isinstance(key, np.ndarray)) | st.tuples(LEAVES, st.text())
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS.filter(lambda key: _is_hashable(key)), inner, max_size=4)
        | inner.map(Chain)
        | inner.map(Money)
    ),
    max_leaves=10,
)


def _is_hashable(value: Any) -> bool:
    with suppress(TypeError):
        hash(value)
        return True
    return False


@settings(deadline=None, max_examples=200)
@given(VALUES, POLICIES)
def test_any_value_under_any_policy_is_a_payload_or_a_codec_error(
    value: Any, policies: dict[str, Any]
) -> None:
    try:
        packed = MsgpackCodec(**policies).encode(value)
    except CodecError:
        text = refusal(value, **policies)
        assert text.startswith("$")
        # It can itself be sent.
        assert text.encode()
        return
    check_sendable(msgpack.unpackb(packed, strict_map_key=False, timestamp=3), policies["ints"])


def check_sendable(value: Any, ints: Literal["allow"] | str) -> None:
    """Whether JavaScript has this value, and no other."""
    if isinstance(value, dict):
        names = set()
        for key, item in value.items():
            assert type(key) in (str, int, float)
            assert key != "__proto__"
            names.add(str(key))
            check_sendable(item, ints)
        assert len(names) == len(value) or float in map(type, value)
    elif isinstance(value, list):
        for item in value:
            check_sendable(item, ints)
    elif type(value) is int:
        assert ints == "allow" or abs(value) <= SAFE
    elif isinstance(value, msgpack.ExtType):
        assert (value.code, len(value.data)) == (2, 8)
