"""The real npm parent drives real workers: each ``*.test.mjs`` here, on each event loop."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import procwire

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FILES = sorted(path.name for path in HERE.glob("*.test.mjs"))
TIME_LIMIT = 300
"""Seconds for one file; the slowest takes 20."""
SOAK_SECONDS = 6
"""Enough for each worker that may be killed to be killed several times."""


def test_there_are_node_tests() -> None:
    assert len(FILES) >= 10


@pytest.mark.parametrize("file", FILES)
def test_node(file: str, loop_name: str, tmp_path: Path) -> None:
    output = run_node(["--test", "--test-reporter=tap", file], tmp_path, LOOP=loop_name)
    # Node counts a file without any test as one test, which has passed.
    names = re.findall(r"^ *ok \d+ - (.*)", output, re.MULTILINE)
    assert [name for name in names if not name.endswith(file)], f"no test ran\n{output}"


def test_a_short_soak(tmp_path: Path) -> None:
    """``make soak`` is the long one."""
    run_node(["soak.mjs"], tmp_path, SECONDS=str(SOAK_SECONDS))


def run_node(arguments: list[str], logs: Path, **variables: str) -> str:
    """Run Node.js with workers of this Python; returns what it has printed, or fails."""
    node = shutil.which("node")
    assert node is not None, "these tests need Node.js"
    assert (ROOT / "node_modules" / "@procwire" / "core").is_dir(), "run `npm ci` first"
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "WORKER_LOGS": str(logs),
        **variables,
    }
    package = Path(procwire.__file__).resolve().parent
    if package.parent == ROOT:
        # Somebody is at work on the tree: the workers are to see the same package.
        environment["PYTHONPATH"] = str(ROOT)
    code, output = run([node, *arguments], environment)
    if code != 0:
        tails = [
            f"---- {log.name}\n{log.read_text(errors='replace')[-4000:]}"
            for log in sorted(logs.glob("*.log"))
        ]
        pytest.fail("\n".join([f"node ended with {code}", output, *tails]), pytrace=False)
    return output


def run(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command in a process group of its own, of which nothing is left afterwards."""
    process = subprocess.Popen(
        command,
        cwd=HERE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        output, _ = process.communicate()
        output += f"\nkilled after {TIME_LIMIT} s"
    kill_group(process.pid)
    return process.returncode, output


def kill_group(leader: int) -> None:
    """End whatever is left of a process group."""
    if sys.platform == "win32":
        # It has no groups: whom the leader has started can be found while that is there.
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(leader)
            for member in [*process.children(recursive=True), process]:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
