"""procwire call: values in and out, and the ways in which it fails."""

from __future__ import annotations

import json
import ntpath
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from procwire import Client
from procwire.cli.inspect import describe

from .running import WORKERS, command, environment, procwire

ANSWERS = {
    "a result": (["divide", '{"number": 1, "by": 8}'], "0.125\n", r"answered after [\d.]+ ms"),
    "a stream": (["count", "3"], "0\n1\n2\n", r"3 chunks, ended after"),
    "an ack": (
        ["accept", '"x"'],
        '{"accepted": "x"}\n',
        r"(?s)(?=.*event progress 1)(?=.*acknowledged after)(?=.*accepted, and done)",
    ),
    "none": (["note", '"x"'], "", r"(?s)(?=.*sent after)(?=.*noted: x)"),
    "raw bytes as JSON": (["size", '"ab"'], '{"$bytes": "MiBieXRlczogYWI="}\n', "answered"),
    "raw payloads": (["size", "--raw", "ab"], "2 bytes: ab", "answered"),
    "from standard input": (["size", "--raw", "--file", "-"], "5 bytes: typed", "answered"),
    "what JSON has not": (
        ["kinds", '{"$bytes": "AAE="}'],
        (
            '{"bytes": {"$bytes": "AAE="}, "date": {"$date": "2026-01-02T00:00:00+00:00"}, '
            '"loaded": "yes"}\n'
        ),
        "answered",
    ),
}


@pytest.mark.parametrize(("words", "output", "said"), ANSWERS.values(), ids=ANSWERS.keys())
def test_what_is_answered(words: list[str], output: str, said: str) -> None:
    run = procwire("call", "commands:client", *words, stdin="typed")
    assert (run.stdout, run.returncode) == (output, 0), run.stderr
    assert re.search(said, run.stderr), run.stderr


FAILURES = {
    "an error with details": (
        ["call", "commands", "divide", '{"number": 1, "by": 0}'],
        1,
        (
            """procwire call: 'divide' has failed: division by zero """
            """{"message": "division by zero", "code": "E_DIVISION"}\n"""
        ),
    ),
    "an unknown method": (
        ["call", "commands", "devide"],
        1,
        "procwire call: there is no method 'devide'; did you mean 'divide'?\n",
    ),
    "no JSON": (
        ["call", "commands", "divide", "{"],
        2,
        (
            "procwire call: DATA is no JSON (Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)): {\n"
        ),
    ),
    "no bytes": (
        ["call", "commands", "size", '"a\\ud800"'],
        2,
        "procwire call: DATA has a lone surrogate at index 1, which UTF-8 does not have\n",
    ),
    "no bytes to measure with": (
        ["bench", "commands", "size", '"\\ud800"'],
        2,
        "procwire bench: DATA has a lone surrogate at index 0, which UTF-8 does not have\n",
    ),
    "two sources": (
        ["call", "commands", "divide", "1", "--file", "-"],
        2,
        "procwire call: give either DATA or --file\n",
    ),
    "no such file": (
        ["call", "commands", "divide", "--file", "nowhere.json"],
        1,
        "procwire call: nowhere.json cannot be read: No such file or directory\n",
    ),
    "a limit": (
        ["call", "commands", "hang", "--timeout", "0.1"],
        1,
        "hanging\naborted\nprocwire call: 'hang' has not answered within 0.1 s\n",
    ),
    "the method's own limit": (
        ["call", "commands", "late"],
        1,
        "procwire call: 'late' has not answered within 0.1 s\n",
    ),
    "a target without a module": (
        ["inspect", ":client"],
        2,
        "procwire inspect: a target is MODULE:CLIENT, got ':client'\n",
    ),
    "no such script": (
        ["inspect", "workers/nowhere.py"],
        1,
        "procwire inspect: there is no file workers/nowhere.py\n",
    ),
    "no such client": (
        ["inspect", "commands:nobody"],
        1,
        "procwire inspect: 'commands' has no 'nobody'\n",
    ),
    "nothing to measure": (
        ["bench", "commands", "note"],
        1,
        "procwire bench: 'note' does not answer: there is nothing to wait for\n",
    ),
}


@pytest.mark.parametrize(("words", "status", "said"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_is_one_line(words: list[str], status: int, said: str) -> None:
    run = procwire(*words)
    assert (run.stdout, run.stderr, run.returncode) == ("", said, status)


def test_what_the_users_code_raises_is_shown_from_there(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def load():\n    1 / 0\n\nload()\n")
    run = procwire("call", "broken:client", "any", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.splitlines()[:2] == [
        "Traceback (most recent call last):",
        f'  File "{tmp_path / "broken.py"}", line 4, in <module>',
    ]
    assert run.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("kind", ["TimeoutError", "BrokenPipeError", "OSError"])
def test_what_a_start_up_raises_is_shown_from_there(tmp_path: Path, kind: str) -> None:
    (tmp_path / "broken.py").write_text(
        "from procwire import Client\n"
        "client = Client().handle('any', lambda data: data)\n"
        "@client.on_startup\n"
        "async def connect():\n"
        f"    raise {kind}('the database')\n"
    )
    run = procwire("call", "broken:client", "any", cwd=tmp_path)
    assert run.returncode == 1
    assert run.stderr.splitlines()[:2] == [
        "Traceback (most recent call last):",
        f'  File "{tmp_path / "broken.py"}", line 5, in connect',
    ]
    assert run.stderr.endswith(f"{kind}: the database\n")


def test_a_shutdown_that_fails(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from procwire import Client\n"
        "client = Client().handle('echo', lambda data: data)\n"
        "@client.on_shutdown\n"
        "async def close():\n"
        "    1 / 0\n"
    )
    run = procwire("call", "broken:client", "echo", "1", cwd=tmp_path)
    assert (run.stdout, run.returncode) == ("1\n", 1)
    assert "broken.py" in run.stderr
    assert run.stderr.endswith(
        "procwire call: the shutdown has failed: ZeroDivisionError: division by zero\n"
    )


UNTOLD = {
    "none": ("none", "1 / 0", "^ZeroDivisionError: "),
    "none, with an error for the caller": (
        "none", "raise HandlerError('no row')", "is not told: no row$",
    ),
    "none, at its time limit": ("none", "await asyncio.sleep(60)", "ran longer than 0.1 s"),
    "none, without having begun": ("none", "pass", "is not told: .*expected int, got str$"),
    "ack": ("ack", "await ctx.ack('yes'); 1 / 0", "^ZeroDivisionError: "),
    "ack, with an error for the caller": (
        "ack", "await ctx.ack('yes'); raise HandlerError('no row')", "is not told: no row$",
    ),
    "result": ("result", "await ctx.respond('yes'); 1 / 0", "^ZeroDivisionError: "),
}  # fmt: skip


@pytest.mark.parametrize(("response", "body", "reason"), UNTOLD.values(), ids=UNTOLD.keys())
def test_a_failure_that_no_caller_is_told(
    tmp_path: Path, response: str, body: str, reason: str
) -> None:
    (tmp_path / "failing.py").write_text(
        "import asyncio\n"
        "from procwire import Client, HandlerError\n"
        "client = Client()\n"
        f"@client.handle(response={response!r}{', max_duration=0.1' * (response == 'none')})\n"
        f"async def any(data: {'int' if body == 'pass' else 'str'}, ctx):\n"
        f"    {body}\n"
    )
    run = procwire("call", "failing", "any", '"x"', cwd=tmp_path)
    answer, when = ("", "") if response == "none" else ('"yes"\n', " after its answer")
    assert (run.stdout, run.returncode) == (answer, 1), run.stderr
    assert run.stderr.endswith(f"\nprocwire call: 'any' has failed{when}\n")
    assert re.search(reason, run.stderr, re.M), run.stderr


def test_a_recording_that_cannot_be_written(tmp_path: Path) -> None:
    run = procwire(
        "call", "commands", "count", "3", PROCWIRE_RECORD=str(tmp_path / "nowhere" / "file")
    )
    assert (run.stdout, run.returncode) == ("", 1)
    assert re.fullmatch(r"procwire call: .*No such file or directory.*\n", run.stderr)
    if sys.platform == "linux":
        run = procwire("call", "commands", "count", "3", PROCWIRE_RECORD="/dev/full")
        assert (run.stdout, run.returncode) == ("", 1)
        assert run.stderr == "procwire call: [Errno 22] Invalid argument: '/dev/full'\n"


def test_clients_are_found(tmp_path: Path) -> None:
    source = "from procwire import Client\n{} = Client().handle('a', lambda data: data)\n"
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "neighbour.py").write_text("value = 7\n")
    (package / "worker.py").write_text(
        "from .neighbour import value\nfrom procwire import Client\n"
        "app = Client().handle('get', lambda data: value)\n"
    )
    run = procwire("call", f"{package}/worker.py", "get", cwd=tmp_path.parent)
    assert (run.stdout, run.returncode) == ("7\n", 0), run.stderr
    (tmp_path / "two.py").write_text(source.format("one") + source.format("other"))
    run = procwire("inspect", "two", cwd=tmp_path)
    assert run.stderr == (
        "procwire inspect: 'two' has several clients, choose one: two:one, two:other\n"
    )


@pytest.mark.skipif(
    sys.platform == "win32", reason="Ctrl-C goes to all processes of a console, the tests' as well"
)
@pytest.mark.parametrize(("method", "said"), [("hang", "aborted\n"), ("block", "")])
def test_interrupted(method: str, said: str) -> None:
    with subprocess.Popen(
        command("call", "commands", method),
        cwd=WORKERS,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "hanging\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == said
        assert process.wait() == 130


def test_a_reader_that_leaves() -> None:
    with subprocess.Popen(
        command("call", "commands", "forever"),
        cwd=WORKERS,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


@pytest.mark.skipif(sys.platform == "win32", reason="another error says so there")
def test_nobody_reads_what_went_wrong(tmp_path: Path) -> None:
    (tmp_path / "chatty.py").write_text("print('hello', flush=True)\n")
    for words in (["call", "commands", "devide"], ["call", str(tmp_path / "chatty.py"), "any"]):
        ours, theirs = os.pipe()
        os.close(ours)
        run = subprocess.run(
            command(*words), cwd=WORKERS, env=environment(), stdout=theirs, stderr=theirs,
            check=False,
        )  # fmt: skip
        os.close(theirs)
        assert run.returncode == 141


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")
@pytest.mark.parametrize(("closed", "which"), [(">&-", "output"), ("<&-", "input")])
def test_a_standard_stream_that_is_closed(closed: str, which: str) -> None:
    words = command("call", "commands", "count", "--file", "-")
    run = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *words],
        cwd=WORKERS, env=environment(), stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (1, f"procwire call: standard {which} is closed\n")


def test_inspect() -> None:
    found = json.loads(procwire("inspect", "commands", "--json").stdout)
    assert found["events"] == {"progress": {"id": 1, "codec": "msgpack"}}
    assert found["methods"]["size"] == {
        "id": 6,
        "response": "result",
        "timeout": None,
        "max_duration": None,
        "request_codec": "raw",
        "response_codec": "raw",
        "takes": "bytes",
        "returns": "bytes",
        "form": "inline",
        "context": False,
        "max_concurrency": 3,
        "executor": None,
        "batch": None,
        "source": found["methods"]["size"]["source"],
    }
    assert re.fullmatch(r"commands\.py:\d+", found["methods"]["size"]["source"])
    table = procwire("inspect", "commands").stdout
    assert re.search(
        r"^fail +result +msgpack +any +thread; timeout 5 s +commands\.py:", table, re.M
    )
    assert re.search(r"^divide .* dict\[str, float\] -> float +coroutine", table, re.M)


def test_inspect_shows_a_file_on_another_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, Any] = {}
    exec(compile("def any(data): ...", r"Q:\code\worker.py", "exec"), namespace)
    # Of Windows, whatever this is: there is no way from here to another drive.
    monkeypatch.setattr(os.path, "relpath", ntpath.relpath)
    found = describe(Client().handle("any", namespace["any"]))
    assert found["methods"]["any"]["source"] == r"Q:\code\worker.py:1"


def test_the_program_itself() -> None:
    assert procwire("--version").stdout.startswith("procwire ")
    run = procwire("frobnicate")
    assert run.returncode == 2
    assert "invalid choice: 'frobnicate'" in run.stderr
