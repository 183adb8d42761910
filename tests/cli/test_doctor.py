"""procwire doctor: what is found, and the Node program that it proposes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .running import DEADLINE, WORKERS, environment, procwire

ROOT = Path(__file__).resolve().parents[2]


def test_a_worker_that_runs(tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "commands.py").write_text((WORKERS / "commands.py").read_text())
    place = tmp_path / "run"
    place.mkdir(mode=0o700)
    run = procwire(
        "doctor", "commands", cwd=tmp_path, XDG_RUNTIME_DIR=str(place), TMPDIR="/nonexistent"
    )
    assert run.returncode == 0, run.stdout
    findings, _, program = run.stdout.partition("\n\n")
    lines = findings.splitlines()
    assert not [line for line in lines if line.startswith("BROKEN")]
    (taken,) = [line for line in lines if "this one is taken" in line]
    size = len(f"{place}/procwire--.sock") + 22
    assert f"{place}: paths have " in taken
    assert any(
        f"paths have {size + len(str(pid))} bytes of 103" in taken
        for pid in (1, 10**4, 10**5, 10**3, 10**6)
    )
    assert any("/nonexistent: no, No such file or directory" in line for line in lines)
    assert any(line.startswith("ok      @procwire/core") for line in lines)
    assert any("methods, 1 events" in line and "ready after" in line for line in lines)
    # The program does what it says.
    script = tmp_path / "parent.mjs"
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
