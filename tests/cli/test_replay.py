"""procwire replay: which answers are the same, and how others are shown."""

from __future__ import annotations

import pickle
import subprocess
from itertools import product
from math import inf, nan
from pathlib import Path
from typing import Any

import msgpack

from procwire import MsgpackCodec
from procwire.cli.comparing import same, unmatched
from procwire.recording import Recording

from .running import DEADLINE, command, environment, procwire


def record(directory: Path, source: str, method: str, payload: bytes = b"\xc0") -> None:
    """Write the code, and a recording of one call to it."""
    (directory / "worker.py").write_text(source)
    subprocess.run(
        command("call", "worker", method, "--raw", "--file", "-"),
        cwd=directory, env=environment(PROCWIRE_RECORD="recording"), input=payload,
        capture_output=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert len(list(Recording(directory / "recording"))) == 2


def replay(directory: Path, source: str) -> list[str]:
    """What is printed of the recording, when the code is this."""
    (directory / "worker.py").write_text(source)
    run = procwire("replay", "recording", "worker", cwd=directory)
    assert run.stderr == ""
    assert run.returncode == (0 if run.stdout.endswith(" 0 differences\n") else 1)
    return run.stdout.splitlines()


def answering(answer: str) -> str:
    """A worker whose one method gives this answer, an expression."""
    return (
        "from procwire import Client\n"
        "client = Client()\n"
        "@client.handle\n"
        "async def ask(data):\n"
        f"    return {answer}\n"
    )


def test_a_lone_surrogate_is_printed_as_json_spells_it(tmp_path: Path) -> None:
    """Node sends what a string of JavaScript's has: its UTF-8 would be none."""
    record(tmp_path, answering("len(data)"), "ask", b"\xa3\xed\xa0\x80")
    assert replay(tmp_path, answering("len(data) + 1")) == [
        '#1 ask("\\ud800"): was 1, is 2',
        "1 requests, 1 differences",
    ]


# What stands in a line is the same in JavaScript, and what stands in different ones is not.
VALUES: list[list[Any]] = [
    [None],
    [0, 0.0, -0.0],
    [False],
    [1, 1.0],
    [True],
    ["1"],
    [b"1"],
    [nan, -nan],
    [inf],
    ["NaN"],
    [[1, nan], [1.0, nan]],
    [[True, nan]],
    [{"a": nan, "b": [{"c": 1, "d": None}]}, {"b": [{"d": None, "c": 1.0}], "a": nan}],
    [{"a": nan, "b": [{"c": True, "d": None}]}],
    [[]],
    [{}],
    [2**53, 2.0**53],
    [2**53 + 1],
    [msgpack.Timestamp(1)],
    [msgpack.ExtType(5, b"1")],
]


def test_values_are_the_same_as_in_javascript() -> None:
    codec = MsgpackCodec()
    payloads = [
        (line, msgpack.packb(value)) for line, values in enumerate(VALUES) for value in values
    ]
    for (line, one), (other_line, other) in product(payloads, repeat=2):
        equal = line == other_line
        assert same(codec, one, other) == equal, (VALUES[line], VALUES[other_line])
        assert unmatched(codec, [one], [other]) == (([], []) if equal else ([one], [other]))


class Pickle:
    """A codec with values that have no hash, and with such as are equal to nothing else."""

    name = "pickle"

    def encode(self, value: object) -> bytes:
        return pickle.dumps(value)

    def decode(self, payload: bytes) -> Any:
        return pickle.loads(payload)


class Unlike:
    """Equal to itself alone."""


def test_values_of_other_codecs() -> None:
    codec = Pickle()
    unlike, one, other = (
        codec.encode(value)
        for value in (Unlike(), {"a": {1, 2}, "b": bytearray(1)}, {"b": bytearray(1), "a": {2, 1}})
    )
    assert one != other
    assert same(codec, one, other)
    assert same(codec, unlike, unlike)
    assert unmatched(codec, [unlike, one], [one, unlike]) == ([], [])
    assert not same(codec, b"no pickle", one)
    assert unmatched(codec, [b"no pickle", one], [unlike]) == ([b"no pickle", one], [unlike])


def test_each_payload_has_one_counterpart() -> None:
    codec = MsgpackCodec()
    seven, seven_float, eight = (msgpack.packb(value) for value in (7, 7.0, 8))
    assert unmatched(codec, [seven, seven, eight], [seven_float]) == ([seven, eight], [])
    assert unmatched(codec, [eight], [seven, eight, seven_float]) == ([], [seven, seven_float])


def test_a_number_is_no_boolean(tmp_path: Path) -> None:
    record(tmp_path, answering("1"), "ask")
    assert replay(tmp_path, answering("True")) == [
        "#1 ask(null): was 1, is true",
        "1 requests, 1 differences",
    ]


def test_the_same_answer_in_other_bytes(tmp_path: Path) -> None:
    record(tmp_path, answering("{'a': 1, 'b': float('nan')}"), "ask")
    assert replay(tmp_path, answering("{'b': float('nan'), 'a': 1.0}")) == [
        "1 requests, 0 differences"
    ]


def test_an_error_with_a_number_that_javascript_would_round(tmp_path: Path) -> None:
    source = (
        "from procwire import Client, HandlerError\n"
        "client = Client(ints='allow')\n"
        "@client.handle\n"
        "async def ask(data):\n"
        "    raise HandlerError('too large', number=2**60)\n"
    )
    record(tmp_path, source, "ask")
    assert replay(tmp_path, source) == ["1 requests, 0 differences"]
    (shown, _) = replay(tmp_path, source.replace("2**60", "2**60 + 1"))
    assert shown.endswith(', is the error {"message": "too large", "number": 1152921504606846977}')
