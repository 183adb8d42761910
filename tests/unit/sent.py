"""What is sent of a value, and what is said of one that is not."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

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
