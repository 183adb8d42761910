"""What is sent of a value, and what is said of one that is not."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import attrs
import pytest

from procwire import CodecError, MsgpackCodec

plain = MsgpackCodec()
SAFE = 2**53 - 1


def seen(value: Any, **policies: Any) -> Any:
    return plain.decode(MsgpackCodec(**policies).encode(value))


def refusal(value: Any, **policies: Any) -> str:
    with pytest.raises(CodecError) as caught:
        MsgpackCodec(**policies).encode(value)
    return str(caught.value)


@dataclass
class Chain:
    child: Any = None


class Level(enum.IntEnum):
    HUGE = 2**60


class Money:
    def __init__(self, amount: Any) -> None:
        self.amount = amount


@attrs.define
class Slot:
    x: int
    _hidden: int = 2
    nested: Any = None


class OddText(str, enum.Enum):  # noqa: UP042 - its text is not its value
    def __new__(cls, value: int) -> OddText:
        member = str.__new__(cls, f"text {value}")
        member._value_ = value
        return member

    FIRST = 1
