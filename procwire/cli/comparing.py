"""Which payloads are the same: those of values that are the same in JavaScript."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from procwire.codecs import Codec

__all__ = ["same", "unmatched"]


def same(codec: Codec, one: bytes, other: bytes) -> bool:
    """Whether two payloads are the same."""
    if one == other:
        return True
    try:
        return bool(_comparable(codec.decode(one)) == _comparable(codec.decode(other)))
    except Exception:
        return False


def unmatched(
    codec: Codec, some: Sequence[bytes], others: Sequence[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """The payloads on each side that have no counterpart on the other one, in order."""
    # Most have one with the same bytes; and a value need not be equal to another one of these.
    some, others = _without(some, others, bytes), _without(others, some, bytes)
    key = functools.partial(_key, codec)
    return _without(some, others, key), _without(others, some, key)


def _without(
    payloads: Sequence[bytes], others: Sequence[bytes], key: Callable[[bytes], Hashable]
) -> list[bytes]:
    """The payloads, less one for each of the others with the same key."""
    counted = Counter(map(key, others))
    left = []
    for payload in payloads:
        found = key(payload)
        if counted[found]:
            counted[found] -= 1
        else:
            left.append(payload)
    return left


def _key(codec: Codec, payload: bytes) -> Hashable:
    """The same for all payloads of a value, unless that has no hash."""
    try:
        value: Hashable = _comparable(codec.decode(payload))
        hash(value)
    except Exception:
        return payload
    return value


class _Members(dict[object, object]):
    """A mapping's, with a hash if all of them have one."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def _comparable(value: Any) -> Any:
    """What is equal for values that are the same in JavaScript.

    Numbers are of one type there, and booleans are none. NaN is taken to be the same as NaN.
    """
    match value:
        case bool():
            return bool, value
        case float() if math.isnan(value):
            return float, "NaN"
        case list() | tuple():
            return type(value), *map(_comparable, value)
        case Mapping():
            return _Members((_comparable(key), _comparable(item)) for key, item in value.items())
    return value
