"""procwire bench, and what is shown on a terminal meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from .running import DEADLINE, WORKERS, command, environment, procwire


def test_what_is_measured() -> None:
    words = ["bench", "commands", "size", '"ab"', "--seconds", "0.3", "--in-flight", "4"]
    run = procwire(*words, "--json")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    measured = json.loads(run.stdout)
    assert measured["requests"] >= 4
    assert measured["failures"] == 0
    assert 0 < measured["p50"] <= measured["p90"] <= measured["p99"] <= measured["slowest"] < 1
    # 11 bytes of header, and the payload.
    assert round(measured["bytes_sent_per_second"] / measured["requests_per_second"]) == 13
    assert round(measured["bytes_received_per_second"] / measured["requests_per_second"]) == 22
    if sys.platform == "linux":
        assert 0 < measured["processor_seconds_per_request"] < 0.01
    else:
        # No other system tells it of another process.
        assert measured["processor_seconds_per_request"] is None


def read_terminal(terminal: int) -> bytes:
    """What is written there; empty when nobody has it open any more."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        # So Linux says it.
        return b""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
def test_a_terminal_is_shown_progress() -> None:
    ours, theirs = os.openpty()
    words = command("bench", "commands", "count", "2", "--seconds", "0.6", "--in-flight", "1")
    with subprocess.Popen(
        words, cwd=WORKERS, env=environment(), stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as process:
        os.close(theirs)
        report, _ = process.communicate(timeout=DEADLINE)
    shown = b""
    while data := read_terminal(ours):
        shown += data
    os.close(ours)
    assert b" requests  " in shown
    # The line is gone at the end.
    assert shown.endswith(b" \r")
    assert "chunks" in report
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
def test_a_terminal_is_shown_what_is_waited_for() -> None:
    ours, theirs = os.openpty()
    line = b"waiting for the first answer"
    with subprocess.Popen(
        command("bench", "commands", "hang"), cwd=WORKERS, env=environment(), stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while line not in shown:
            data = read_terminal(ours)
            assert data, shown
            shown += data
        process.send_signal(signal.SIGINT)
        # The worker writes there as well.
        while data := read_terminal(ours):
            shown += data
        assert process.wait(DEADLINE) == 130
    os.close(ours)
    assert b" " * len(line) in shown


def test_failures_are_counted(tmp_path) -> None:
    (tmp_path / "flaky.py").write_text(
        "from procwire import Client, HandlerError\n"
        "client = Client()\n"
        "calls = 0\n"
        "@client.handle(sync_to_thread=False)\n"
        "def second(data):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    if calls == 3:\n"
        "        raise HandlerError('the third')\n"
    )
    run = procwire("bench", "flaky", "second", "--seconds", "0.1", cwd=tmp_path)
    assert run.returncode == 1
    assert "FAILED      1, the first: the third" in run.stdout


def test_an_answer_that_is_late_is_counted(tmp_path) -> None:
    (tmp_path / "sleepy.py").write_text(
        "import asyncio\n"
        "from procwire import Client\n"
        "client = Client()\n"
        "calls = 0\n"
        "@client.handle(timeout=0.3)\n"
        "async def third(data):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    if calls == 3:\n"
        "        await asyncio.Event().wait()\n"
    )
    run = procwire("bench", "sleepy", "third", "--seconds", "0.1", cwd=tmp_path)
    assert run.returncode == 1, run.stderr
    assert "FAILED      1, the first: " in run.stdout


def test_a_method_that_always_fails() -> None:
    run = procwire("bench", "commands", "divide", '{"number": 1, "by": 0}')
    assert (run.stdout, run.returncode) == ("", 1)
    assert run.stderr == "procwire bench: division by zero\n"
