"""Whichever allocation fails, the answer is a MemoryError or a success, never a crash."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("nomemory.py")

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None, reason="this Python has no _testcapi"
)


@pytest.mark.parametrize("path", ["reader", "encode", "decode", "answers", "errors"])
def test_no_allocation_is_taken_for_granted(path: str) -> None:
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(SCRIPT), path],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    lines = run.stdout.splitlines()
    assert run.returncode == 0, f"at allocation {lines[-1:]}\n{run.stderr[-3000:]}"
    assert int(lines[-1].removeprefix("failed ")) > 0, "no allocation has failed"
