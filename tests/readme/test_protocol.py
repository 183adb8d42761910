"""docs/protocol.md has the numbers that csrc/procwire_header.h has, and an example that is true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

from procwire import MsgpackCodec
from procwire._core import Header, unpack_header

from .pages import DEADLINE, DOCS, environment, only

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
HEADER = (ROOT / "csrc" / "procwire_header.h").read_text(encoding="utf-8")


def constant(name: str) -> int:
    found = re.search(rf"^#define PROCWIRE_{name} (\w+?)u?\b", HEADER, re.MULTILINE)
    assert found, name
    return int(found[1], 0)


def table(*head: str) -> list[list[str]]:
    """The rows of the table whose head begins with these cells; a nameless cell is ``""``."""
    beginning = f"| {' | '.join(head)} |".replace("  ", " ")
    lines = PAGE[PAGE.index(f"\n{beginning}") :].strip().split("\n\n")[0].splitlines()[2:]
    return [[cell.strip("` ") for cell in line.strip("|").split("|")] for line in lines]


def test_the_header_is_as_large_as_its_fields() -> None:
    rows = table("offset")
    ends = [int(offset) + int(size) for offset, size, *_ in rows[:-1]]
    assert ends == [int(offset) for offset, *_ in rows[1:]]
    assert ends[-1] == constant("HEADER_SIZE")
    assert str(constant("MAX_PAYLOAD_SIZE")) in rows[3][3]
    assert constant("DEFAULT_MAX_PAYLOAD_SIZE") == 2**30


def test_flags() -> None:
    names = {
        name.upper().replace("THE ", "").replace(" ", "_"): int(flag, 16)
        for flag, name in table("flag", "")
    }
    assert names == {name: constant(f"FLAG_{name}") for name in names}
    assert sum(names.values()) == 0xFF ^ constant("FLAGS_RESERVED")


def test_flags_of_frames() -> None:
    names = {name: int(flag, 16) for flag, name in table("flag", "")}
    answer = names["to the parent"] | names["response"]
    stream = answer | names["stream"]
    sent = {what.replace("`", ""): int(flags, 16) for _, what, flags, *_ in table("from", "what")}
    assert sent == {
        "request": 0,
        "request to a none method": 0,
        "ABORT": 0,
        "AUTH, as the first frame": 0,
        "result": answer,
        "ack": answer | names["ack"],
        "chunk": stream,
        "end of a stream": stream | names["stream end"],
        "error": answer | names["error"],
        "error of a stream": stream | names["error"],
        "event": names["to the parent"],
    }


def test_method_ids() -> None:
    assert {name: int(number, 16) for number, name in table("method id", "")} == {
        name: constant(f"METHOD_{name}") for name in ("AUTH", "ABORT")
    }


def test_the_example() -> None:
    example = PAGE.split("```text\n")[1].split("```")[0]
    request, answer = (bytes.fromhex(line) for line in example.splitlines())
    size = constant("HEADER_SIZE")
    assert unpack_header(request[:size]) == Header(1, 0, 7, len(request) - size)
    assert unpack_header(answer[:size]) == Header(1, 3, 7, len(answer) - size)
    codec = MsgpackCodec()
    assert codec.decode(request[size:]) == {"a": 1, "b": 8}
    assert codec.decode(answer[size:]) == 0.125


WORKER = """
from procwire import Client

client = Client().event("progress")


@client.handle(timeout=5)
async def divide(data):
    return data


@client.handle
async def count(data):
    yield data
"""


def test_the_announcement(tmp_path: Path) -> None:
    (shown,) = only("json", DOCS / "protocol.md")
    (tmp_path / "worker.py").write_text(WORKER, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "procwire", "run", "worker"],
        cwd=tmp_path,
        env=environment(tmp_path) | {"PROCWIRE_MODULE_NAME": "worker"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        announced, expected = (json.loads(text) for text in (_line(worker.stdout), shown))
        worker.communicate(timeout=DEADLINE)
    name = ours = r"/procwire-\d+-[\w-]{22}(\.sock|/s)$"
    if sys.platform == "win32":
        ours = r"^\\\\\.\\pipe\\procwire-\d+-[0-9a-f]{32}$"
    assert re.search(name, expected["params"].pop("pipe"))
    assert re.search(ours, announced["params"].pop("pipe"))
    assert announced == expected


def _line(output: IO[bytes]) -> bytes:
    # The first message comes behind an empty line, whatever was printed before.
    return next(line for line in output if line.strip())
