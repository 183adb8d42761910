"""procwire doctor: what is found, and the Node program that it proposes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .running import DEADLINE, WORKERS, environment, procwire

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project() -> Iterator[Path]:
    """A directory of a worker, below one that has the Node packages."""
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as directory:
        path = Path(directory)
        (path / "commands.py").write_text((WORKERS / "commands.py").read_text())
        yield path


def check_directories(findings: str, deep: Path, place: str) -> None:
    assert re.search(f"{deep}: no, a socket's path would have \\d+ bytes, 103 at most", findings)
    size = re.search(f"{place}: paths have (\\d+) bytes of 103, this one is taken", findings)
    assert size is not None, findings
    # A process id has one digit at least, and seven at most.
    assert 1 <= int(size[1]) - len(f"{place}/procwire--.sock") - 22 <= 7


def test_a_worker_that_runs(project: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir(mode=0o700)
    short = None if sys.platform == "win32" else "/tmp"
    with tempfile.TemporaryDirectory(dir=short) as place:
        run = procwire("doctor", "commands", cwd=project, XDG_RUNTIME_DIR=str(deep), TMPDIR=place)
        assert run.returncode == 0, run.stdout
        assert os.listdir(place) == []
    findings, _, program = run.stdout.partition("\n\n")
    assert "BROKEN" not in findings
    if sys.platform == "win32":
        assert re.search(r"ok +named pipes +\\\\\.\\pipe\\procwire-", findings), findings
    else:
        check_directories(findings, deep, place)
    assert re.search(r"ok +@procwire/core +[\d.]+ in ", findings)
    assert re.search(r"ok +commands +ready after \d+ ms: 14 methods, 1 events", findings)
    # The program does what it says.
    script = project / "parent.mjs"
    script.write_text(
        program
        + '\nconsole.log(await worker.send("divide", { number: 1, by: 8 }));\n'
        + "await manager.shutdown();\n"
    )
    node = subprocess.run(
        ["node", str(script)], capture_output=True, text=True, timeout=DEADLINE,
        env=environment(), check=False,
    )  # fmt: skip
    assert node.stdout == "0.125\n", node.stderr


def test_a_worker_that_does_not() -> None:
    run = procwire("doctor", "nowhere:client")
    assert run.returncode == 1
    (broken,) = [line for line in run.stdout.splitlines() if line.startswith("BROKEN")]
    assert "a parent would be told: the worker cannot start: TargetError: No module named" in broken
