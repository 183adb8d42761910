"""Commands, run as a person runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WORKERS = Path(__file__).resolve().parent / "workers"
DEADLINE = 30.0
"""Seconds after which a test gives up."""


def environment(**variables: str) -> dict[str, str]:
    """This process's own, without what would make a worker of a command."""
    cleaned = {name: value for name, value in os.environ.items() if "PROCWIRE" not in name}
    return {**cleaned, **variables}


def command(*words: str) -> list[str]:
    """How procwire is called with these words."""
    return [sys.executable, "-m", "procwire", *words]


LOG = """
import os, runpy, sys
os.dup2(os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
runpy.run_module("procwire", run_name="__main__")
"""


def logging_into(log: Path, *words: str) -> list[str]:
    """What Python takes to call procwire with these words, its standard error in a file."""
    return ["-c", LOG, str(log), *words]


def procwire(
    *words: str, cwd: Path = WORKERS, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*words),
        cwd=cwd,
        env=environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
