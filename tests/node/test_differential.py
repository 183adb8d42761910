"""Random frames of the npm packages, read and written again by this one; and the other way."""

from __future__ import annotations

import math
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from msgpack import Timestamp

from procwire import CodecError, MsgpackCodec
from procwire._core import FrameReader, pack_header

from .test_node import run_node

# A million in the continuous integration.
FRAMES = int(os.environ.get("TEST_DIFFERENTIAL_FRAMES", "50000"))
SEED = os.environ.get("PROCWIRE_DIFFERENTIAL_SEED", str(Random().randrange(2**32)))
PIECE = 200_000


def test_headers_and_values_there_and_back(tmp_path: Path) -> None:
    # Repeats this run.
    print(f"PROCWIRE_DIFFERENTIAL_SEED={SEED}")
    made, back = tmp_path / "made", tmp_path / "back"
    arguments = [SEED, str(FRAMES)]
    run_node(["differential.mjs", "make", *arguments, str(made)], tmp_path)
    random = Random(SEED)
    codec = MsgpackCodec()
    reader = FrameReader()
    with made.open("rb") as frames, back.open("wb") as output:
        while piece := frames.read(random.randrange(1, PIECE)):
            for method_id, flags, request_id, payload in reader.feed(piece):
                again = codec.encode(codec.decode(payload))
                output.write(pack_header(method_id, flags, request_id, len(again)) + again)
    assert reader.at_boundary
    run_node(["differential.mjs", "check", *arguments, str(back)], tmp_path)


# ---- values of Python's, under random policies ---------------------------------------------------

POLICIES = {
    "ints": ["error", "string", "float", "allow"],
    "keys": ["error", "string"],
    "naive": ["error", "utc", "local", "string"],
    "surrogates": ["error", "replace"],
    "nan": ["allow", "null", "error"],
    "arrays": ["bytes", "list"],
    "default": [None, repr],
}


@dataclass
class Pair:
    first: Any
    second: Any


class Values:
    """Random values, of which many are at some fault."""

    def __init__(self, random: Random) -> None:
        self.random = random
        # Faults are rare, or nothing large would ever be sent.
        self.odd = random.choice([0.0, 0.01, 0.1])

    def value(self, depth: int) -> Any:
        if depth == 0 or self.random.random() < 0.4:
            return self.leaf()
        items = [self.value(depth - 1) for _ in range(self.random.randrange(5))]
        kind = self.random.randrange(6)
        if kind == 0:
            return Pair(items, self.leaf())
        if kind == 1:
            return tuple(items)
        return items if kind < 4 else {self.key(): item for item in items}

    def leaf(self) -> Any:
        random = self.random
        if random.random() < self.odd:
            return random.choice(
                [
                    2 ** random.randrange(53, 70) + 1,
                    float("nan"),
                    "a\ud800",
                    "\udfff\ud83d\ude80",
                    datetime(2026, 1, 2, 3, 4, 5, random.randrange(10**6)),
                    1j,
                    np.int64(2**60),
                    np.datetime64("2026-01-02T03:04:05.678901234"),
                    Timestamp(random.randrange(10**13)),
                ]
            )
        return random.choice(
            [
                None,
                True,
                random.randrange(2**53),
                random.uniform(-1, 1) * 10.0 ** random.randrange(-30, 30),
                "zażółć 🚀"[: random.randrange(9)],
                random.randbytes(random.randrange(20)),
                datetime.fromtimestamp(random.randrange(2**33), UTC),
                timedelta(random.uniform(-9, 9)),
                Decimal(random.randrange(100)) / 8,
                np.arange(random.randrange(4), dtype=random.choice(["<u2", ">f4"])),
            ]
        )

    def key(self) -> Any:
        random = self.random
        if random.random() < self.odd:
            return random.choice(
                [None, True, b"k", b"\xff", (1, "a", None), "__proto__", "\ud800", 2**60,
                 datetime(2026, 1, 2, tzinfo=UTC), 10.0 ** random.randrange(-9, 23)]
            )  # fmt: skip
        return random.choice([f"k{random.randrange(100)}", "zażółć", random.randrange(100)])


def test_the_parent_takes_whatever_is_sent(tmp_path: Path) -> None:
    """Under any policies a value is refused, or the parent reads all of it."""
    print(f"PROCWIRE_DIFFERENTIAL_SEED={SEED}")
    random = Random(SEED)
    payloads = tmp_path / "payloads"
    sent = refused = 0
    with payloads.open("wb") as output:
        for _ in range(FRAMES // 10):
            codec = MsgpackCodec(**{name: random.choice(POLICIES[name]) for name in POLICIES})
            packed = None
            with suppress(CodecError):
                packed = codec.encode(Values(random).value(5))
            if packed is None:
                refused += 1
                continue
            output.write(pack_header(1, 0, 1, len(packed)) + packed)
            sent += 1
    assert refused > sent / 100
    assert sent > refused
    run_node(["differential.mjs", "read", SEED, str(sent), str(payloads)], tmp_path)


def test_numbers_as_keys_are_spelled_as_javascript_does(tmp_path: Path) -> None:
    random = Random(SEED)
    numbers = [10.0**power for power in range(-12, 26)] + [0.1, -0.0, 1e-6, 1.5e-6, -2.5e-5, 1e300]
    numbers += [struct.unpack("<d", random.randbytes(8))[0] for _ in range(2000)]
    numbers += [random.uniform(-1, 1) * 10.0 ** random.randrange(-9, 23) for _ in range(2000)]
    numbers = [number for number in numbers if math.isfinite(number)]
    codec = MsgpackCodec(keys="string")
    table = [[number, {(number,): 0}] for number in numbers]
    spelled = tmp_path / "spelled"
    packed = codec.encode(table)
    spelled.write_bytes(pack_header(1, 0, 1, len(packed)) + packed)
    run_node(["differential.mjs", "spelling", SEED, str(len(table)), str(spelled)], tmp_path)
