"""procwire replay: which answers are the same, and how others are shown."""

from __future__ import annotations

from pathlib import Path

from .running import procwire


def record(directory: Path, source: str, method: str, payload: bytes = b"\xc0") -> None:
    """Write the code, and a recording of one call to it."""
    (directory / "worker.py").write_text(source)
    (directory / "payload").write_bytes(payload)
    run = procwire(
        "call", "worker", method, "--raw", "--file", "payload",
        cwd=directory, PROCWIRE_RECORD="recording",
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


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
