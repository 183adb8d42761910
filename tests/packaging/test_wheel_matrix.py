"""Which wheels a release has: cibuildwheel, asked what it would build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYTHONS = ["cp311", "cp312", "cp313", "cp314", "cp315"]
PLATFORMS = {
    ("linux", "x86_64,aarch64"): [
        "manylinux_x86_64", "manylinux_aarch64", "musllinux_x86_64", "musllinux_aarch64",
    ],
    ("macos", "x86_64,arm64"): ["macosx_x86_64", "macosx_arm64"],
    ("windows", "AMD64,ARM64"): ["win_amd64", "win_arm64"],
}  # fmt: skip


@pytest.mark.parametrize(("system", "machines"), PLATFORMS)
def test_the_promised_wheels_are_built(system: str, machines: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "cibuildwheel", "--platform", system, "--archs", machines,
         "--print-build-identifiers", str(ROOT)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    promised = [
        f"{python}-{platform}" for python in PYTHONS for platform in PLATFORMS[system, machines]
    ]
    assert sorted(run.stdout.split()) == sorted(promised)


def test_the_release_waits_for_all_of_them() -> None:
    wheels = len(PYTHONS) * sum(len(platforms) for platforms in PLATFORMS.values())
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert f"= {wheels + 1}\n" in workflow
    assert f"publishes {wheels} wheels" in (ROOT / "RELEASING.md").read_text(encoding="utf-8")
