"""Which wheels a release has: cibuildwheel, asked what it would build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYTHONS = ["cp311", "cp312", "cp313", "cp314", "cp315"]
PLATFORMS = {
    ("linux", "x86_64"): ["manylinux_x86_64", "musllinux_x86_64"],
    ("linux", "aarch64"): ["manylinux_aarch64", "musllinux_aarch64"],
    ("macos", "x86_64"): ["macosx_x86_64"],
    ("macos", "arm64"): ["macosx_arm64"],
    ("windows", "AMD64"): ["win_amd64"],
    ("windows", "ARM64"): ["win_arm64"],
}


@pytest.mark.parametrize(("system", "machine"), PLATFORMS)
def test_the_promised_wheels_are_built(system: str, machine: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "cibuildwheel", "--platform", system, "--archs", machine,
         "--print-build-identifiers", str(ROOT)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    promised = {
        f"{python}-{platform}" for python in PYTHONS for platform in PLATFORMS[system, machine]
    }
    assert set(run.stdout.split()) == promised
