"""The examples do what they say: real workers of this package under the real Node parent."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PICTURES = [EXAMPLES / "out" / name for name in ("galaxies.png", "harbour.png")]


@pytest.fixture(scope="module")
def account() -> str:
    """What ``make demo`` prints."""
    for picture in PICTURES:
        picture.unlink(missing_ok=True)
    node = shutil.which("node")
    assert node is not None
    demo = subprocess.run(
        [node, str(EXAMPLES / "demo.mjs")],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stderr == ""
    return demo.stdout


def result_of(call: str, account: str) -> str:
    """What came back from a call, as the account has it."""
    found = re.search(rf"^ *{re.escape(call)} *→ (.*)$", account, re.MULTILINE)
    assert found is not None, account
    return found[1]


def test_the_account_is_plain_in_a_pipe_and_ends_with_counts(account: str) -> None:
    assert "\x1b" not in account
    assert re.fullmatch(r"8 examples, \d+ results, 0 failed", account.splitlines()[-1])


def test_echo(account: str) -> None:
    assert "at: 1970-01-01T00:00:00.000Z" in result_of("echo(value)", account)
    assert "at: 'datetime', icon: 'bytes'" in result_of("types(value)", account)
    assert result_of('reverse("stressed"), raw bytes', account) == "'desserts'"
    error = result_of("divide({ a: 1, b: 0 })", account)
    assert error.startswith("ProcwireError: division by zero { code: 'E_DIVISION'")


def test_stream(account: str) -> None:
    assert "async def noise" in result_of('search({ text: "async def" })', account)
    assert "taken: 1000, made: " in result_of("noise(…), left by break", account)
    assert result_of("noise(…), abort()", account) == "AbortError: Aborted"


def test_event(account: str) -> None:
    files = sum(path.is_file() for path in EXAMPLES.iterdir())
    assert result_of("checksums(folder): ack", account) == f"{{ files: {files} }}"
    assert f"'1/{files}'" in result_of("progress", account)
    assert "hash: '0000" in result_of("find_nonce({ zeros: 4, … })", account)
    assert result_of("find_nonce({ zeros: 64, … })", account) == "AbortError: Aborted"
    assert "job: 'find_nonce', cancelled: true" in account


def test_image(account: str) -> None:
    assert re.search(r"sources: [1-9]\d*", result_of("find_sources(ppm)", account))
    assert "galaxies.png" in result_of("written", account)
    assert "code: 'E_FORMAT'" in result_of("develop(a GIF)", account)


def test_filter(account: str) -> None:
    assert "bytes: 33177600" in result_of("bloom(rgba): raw pixels", account)
    assert "harbour.png" in account
    error = result_of("bloom(a piece)", account)
    assert "expected an array of uint8 and shape (n, 3840, 4), got 1000 bytes" in error


def test_frame(account: str) -> None:
    assert "days: 366, mean: 17.5, coldest: 7.3" in result_of("Lisboa", account)
    spells = result_of("warm_spells: Lisboa", account)
    assert spells == "{ spells: 7, first: { from: '2024-04-21', days: 4 } }"


def test_trace(account: str) -> None:
    assert result_of("greet, in a trace", account) == "'Hello, Node'"
    assert result_of("count, in a thread", account) == "{ words: 4, sameTrace: true }"


def test_typed(account: str) -> None:
    assert "total: '35.10', currency: 'EUR', due: '2026-12-07'" in result_of("bill(order)", account)
    assert "$.lines[1].quantity: expected int, got str" in result_of("bill(a bad order)", account)
    assert result_of("ship(order)", account) == "[ '3 × globe', '1 × map' ]"


def test_the_types_in_typescript_are_up_to_date() -> None:
    arguments = ["types", "typed_worker:client", "--check", "-o", "typed_worker.ts"]
    path = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(
        [sys.executable, "-m", "procwire", *arguments],
        cwd=EXAMPLES,
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        timeout=60,
    )


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_the_pictures_are_pngs_that_can_be_read(picture: Path) -> None:
    data = picture.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks = {}
    rest = data[8:]
    while rest:
        length, name = struct.unpack_from(">I4s", rest)
        chunks[name] = rest[8 : 8 + length]
        (checksum,) = struct.unpack_from(">I", rest, 8 + length)
        assert checksum == zlib.crc32(rest[4 : 8 + length])
        rest = rest[12 + length :]
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    assert len(zlib.decompress(chunks[b"IDAT"])) == height * (1 + 3 * width)
