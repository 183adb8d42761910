"""docs/limits.md says what the code says; and limits that need no process to be proved."""

from __future__ import annotations

import inspect
import os
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from procwire import Batch, Client, CodecError, MsgpackCodec, outgoing, registrations

ROOT = Path(__file__).resolve().parents[2]
UNITS = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "s": 1}


class Row(NamedTuple):
    limit: str
    where: str
    default: str
    effect: str
    proof: str


def rows() -> list[Row]:
    text = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("|") and len(cells) == 5 and cells[0] not in ("limit", "---"):
            found.append(Row(*cells))
    return found


ROWS = rows()


def number(text: str) -> float:
    """``4 MiB`` as a number of bytes, ``4.4 s`` of seconds, ``1024`` as it is."""
    match = re.fullmatch(r"([\d.]+)(?: (\w+))?", text)
    assert match, text
    return float(match[1]) * UNITS[match[2] or ""]


def constant(file: str, name: str) -> float:
    """What a source file gives a constant, compiled ones included."""
    folder = ROOT if file.startswith("csrc/") else ROOT / "procwire"
    source = (folder / file).read_text(encoding="utf-8")
    match = re.search(rf"^(?:cdef [\w ]+ |#define )?{name}(?:: \w+)?(?: =)? +(.+)$", source, re.M)
    assert match, f"{name} is not in {file}"
    expression = re.sub(r"(?<=[\dA-F])u\b|#.*|/\*.*", "", match[1])
    names = {other: constant(file, other) for other in re.findall(r"\b[A-Z_]{3,}\b", expression)}
    return float(eval(expression, {"__builtins__": {}}, names))


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 30
    assert len({row.limit for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.limit for row in ROWS])
def test_the_default_is_the_codes(row: Row) -> None:
    if option := re.fullmatch(r"`Client\((\w+)\)`", row.where):
        default = inspect.signature(Client).parameters[option[1]].default
        if default is None:
            assert not row.default[0].isdigit()
        else:
            assert number(row.default) == default
    elif option := re.fullmatch(r"`handle\((\w+)\)`", row.where):
        assert inspect.signature(Client.handle).parameters[option[1]].default is None
        assert row.default == "none"
    elif option := re.fullmatch(r"`Batch\((\w+)\)`", row.where):
        assert number(row.default) == inspect.signature(Batch).parameters[option[1]].default
    elif named := re.fullmatch(r"`([\w/.]+): (\w+)`", row.where):
        assert number(row.default) == constant(named[1], named[2])
    else:
        assert row.where in ("`credentials.py`", "`emitting.py`", "the msgpack package's own")


@pytest.mark.parametrize("row", ROWS, ids=[row.limit for row in ROWS])
def test_the_proofs_exist(row: Row) -> None:
    proofs = re.findall(r"`([^`]+)::([^`]+)`", row.proof)
    assert proofs, row
    for file, name in proofs:
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        if file.endswith(".py"):
            assert f"def {name}(" in source, f"{file} has no {name}"
        else:
            assert re.search(rf"test\([\"`]{re.escape(name)}", source), f"{file} has no {name!r}"


def test_every_option_that_is_a_number_is_there() -> None:
    listed = set(re.findall(r"`Client\((\w+)\)`", " ".join(row.where for row in ROWS)))
    parameters = inspect.signature(Client).parameters.values()
    numbers = {
        item.name for item in parameters if re.search(r"\b(int|float)\b", str(item.annotation))
    }
    assert numbers == listed


def test_every_limit_of_a_method_is_there() -> None:
    listed = set(re.findall(r"`handle\((\w+)\)`", " ".join(row.where for row in ROWS)))
    parameters = inspect.signature(Client.handle).parameters.values()
    numbers = {
        item.name for item in parameters if re.search(r"\b(int|float)\b", str(item.annotation))
    }
    assert numbers == listed


# ---- the limits themselves -----------------------------------------------------------------------


def test_nesting_of_what_arrives() -> None:
    codec = MsgpackCodec()
    assert codec.decode(b"\x91" * 1023 + b"\xc0") is not None
    with pytest.raises(CodecError):
        codec.decode(b"\x91" * 1025 + b"\xc0")


@pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="under a sanitizer frames are larger")
def test_nesting_needs_no_large_stack() -> None:
    """As small as some systems give to a thread."""
    codec = MsgpackCodec()
    deepest: Any = None
    for _ in range(200_000):
        deepest = [deepest]
    endless = SimpleNamespace()
    endless.again = endless
    failures = []

    def both_ways() -> None:
        for convert in (
            lambda: codec.decode(b"\x91" * 200_000 + b"\xc0"),
            lambda: codec.encode(deepest),
            lambda: MsgpackCodec(default=vars).encode(endless),
        ):
            try:
                convert()
            except CodecError as error:
                failures.append(error)

    previous = threading.stack_size(128 * 1024)
    try:
        thread = threading.Thread(target=both_ways)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(previous)
    assert len(failures) == 3


def test_the_longest_string() -> None:
    class Long(str):
        """Half a gigabyte would be too much for a test: it only says that it is so long."""

        def __len__(self) -> int:
            return outgoing.MAX_STRING_LENGTH + 1

    with pytest.raises(CodecError, match="536870888"):
        MsgpackCodec().encode(Long("short"))


def test_the_number_of_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registrations, "MAX_METHOD_ID", 3)
    client = Client()

    def register(name: str) -> Any:
        return client.handle(name, lambda data: data).event(name)

    for name in "abc":
        register(name)
    with pytest.raises(ValueError, match="there can be 3 methods at most"):
        register("d")
    with pytest.raises(ValueError, match="there can be 3 events at most"):
        client.event("d")
