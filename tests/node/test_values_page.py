"""Every row of the tables in docs/values.md is true of the codec that the npm parent has."""

from __future__ import annotations

import enum
import json
import re
import shutil
import subprocess
from array import array
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
import pytest
from msgpack import ExtType, Timestamp

from procwire import CodecError, MsgpackCodec

HERE = Path(__file__).resolve().parent
PAGE = (HERE.parent.parent / "docs" / "values.md").read_text(encoding="utf-8")
REFUSED = "an error"
PARENT_REFUSES = "the parent's `send` throws"


class Color(enum.Enum):
    RED = "red"


class Pair(NamedTuple):
    first: int
    second: str


@dataclass
class Point:
    x: int
    y: int


class Named(msgspec.Struct, rename="camel"):
    user_id: int


NAMES: dict[str, Any] = {
    "array": array, "np": np, "Color": Color, "Pair": Pair, "Point": Point, "Named": Named,
    "UTC": UTC, "date": date, "datetime": datetime, "time": time, "timedelta": timedelta,
    "Decimal": Decimal, "PurePosixPath": PurePosixPath, "UUID": UUID, "ip_address": ip_address,
    "ExtType": ExtType, "Timestamp": Timestamp,
}  # fmt: skip


def rows(*header: str) -> list[list[str]]:
    """The table with these columns: the cells of each row, code without its backticks."""
    title = re.escape(f"| {' | '.join(header)} | |")
    (start,) = re.findall(rf"^{title}\n.*\n((?:\|.*\n)+)", PAGE, re.M)
    found = []
    for line in start.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")][: len(header)]
        found.append([re.sub(r"^`([^`]*)`$", r"\1", cell) for cell in cells])
    return found


def in_python(expression: str) -> Any:
    return eval(expression, dict(NAMES))


def ask_node(action: str, questions: list[dict[str, str]]) -> list[dict[str, str]]:
    node = shutil.which("node")
    assert node is not None, "these tests need Node.js"
    lines = "\n".join(json.dumps(question) for question in questions)
    done = subprocess.run(
        [node, "values.mjs", action], cwd=HERE, input=lines, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers


def test_javascript_to_python() -> None:
    table = rows("JavaScript", "Python")
    assert len(table) > 30
    answers = ask_node("encode", [{"value": javascript} for javascript, _ in table])
    for (javascript, python), answer in zip(table, answers, strict=True):
        if python == PARENT_REFUSES:
            assert "throws" in answer, javascript
        else:
            seen = MsgpackCodec().decode(bytes.fromhex(answer["bytes"]))
            # Unlike equality it tells 1 from True and from 1.0, and NaN is NaN.
            assert repr(seen) == repr(in_python(python)), javascript


def sent(codec: MsgpackCodec, python: str, javascript: str) -> dict[str, str] | None:
    """What to ask Node about a row; nothing where Python refuses to send the value."""
    value = in_python(python)
    if javascript == REFUSED:
        with pytest.raises(CodecError, match=r"^\$"):
            codec.encode(value)
        return None
    return {"bytes": codec.encode(value).hex(), "expected": javascript}


def check(questions: dict[str, dict[str, str] | None]) -> None:
    asked = {row: question for row, question in questions.items() if question is not None}
    answers = ask_node("decode", list(asked.values()))
    wrong = {row: answer for row, answer in zip(asked, answers, strict=True) if answer}
    assert wrong == {}


def test_python_to_javascript() -> None:
    table = rows("Python", "JavaScript")
    assert len(table) > 40
    check({python: sent(MsgpackCodec(), python, javascript) for python, javascript in table})


def test_policies() -> None:
    table = rows("policy", "Python", "JavaScript")
    assert len(table) > 12
    questions = {}
    for policy, python, javascript in table:
        codec = eval(f"MsgpackCodec({policy})", {"MsgpackCodec": MsgpackCodec, "repr": repr})
        if policy != 'nan="error"':
            # Without the policy it is refused, or is something else.
            before = partial(MsgpackCodec().encode, in_python(python))
            if policy.startswith(("nan", "arrays")):
                assert before() != codec.encode(in_python(python))
            else:
                with pytest.raises(CodecError):
                    before()
        questions[f"{policy} {python}"] = sent(codec, python, javascript)
    check(questions)
