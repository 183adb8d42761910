"""The README's snippets do what the README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
HANDLERS = ROOT / "docs" / "handlers.md"


def blocks(language: str, page: Path = README) -> list[str]:
    found = re.findall(
        r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [text for kind, text in found if kind == language]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory as a user's: the npm packages in it, `python3` on the path."""
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    return tmp_path


def run_node(project: Path, script: str) -> str:
    node = shutil.which("node")
    assert node is not None
    # A symlink to an interpreter is not part of its environment: it is told where that is.
    environment = {
        **os.environ,
        "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    run = subprocess.run(
        [node, script], cwd=project, env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_quick_start(project: Path) -> None:
    (project / "worker.py").write_text(blocks("python")[0], encoding="utf-8")
    (project / "parent.mjs").write_text(blocks("js")[0], encoding="utf-8")
    # The ack and the first events may come in either order: they are separate promises.
    assert sorted(run_node(project, "parent.mjs").splitlines()) == sorted(
        blocks("text")[0].splitlines()
    )


def test_the_page_about_handlers(project: Path) -> None:
    (worker,), (parent,), (output,) = (blocks(kind, HANDLERS) for kind in ("python", "js", "text"))
    (project / "worker.py").write_text(worker, encoding="utf-8")
    (project / "parent.mjs").write_text(parent, encoding="utf-8")
    assert run_node(project, "parent.mjs") == output


def test_the_module_command(project: Path) -> None:
    (project / "worker.py").write_text(blocks("python")[0], encoding="utf-8")
    parent = blocks("js")[0].replace('.executable("python3", ["worker.py"])', "")
    (spawn,) = [text for text in blocks("js") if "-m" in text]
    parent = parent.replace('new Module("worker")', spawn.strip().rstrip(";"))
    assert "-m" in parent
    (project / "parent.mjs").write_text(parent, encoding="utf-8")
    assert "division by zero E_DIVISION" in run_node(project, "parent.mjs")


@pytest.mark.parametrize("source", blocks("python")[1:])
def test_the_other_snippets_run(source: str, tmp_path: Path) -> None:
    # Away from the source tree, which would be imported from.
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60, cwd=tmp_path)


def test_the_links_lead_somewhere() -> None:
    for page in (README, HANDLERS):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), target
