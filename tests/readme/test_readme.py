"""The snippets of the README do what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import README, ROOT, blocks_of, only, printed, run_session, with_python

QUICK_START, *SNIPPETS = only("python", README)
PARENT, SPAWN = only("js", README)
(PRINTED,) = only("text", README)


def test_there_is_nothing_else() -> None:
    languages = [block.language for block in blocks_of(README)]
    assert set(languages) == {"sh", "python", "js", "text"}
    commands = "".join(only("sh", README)).splitlines()
    assert {command.split()[0] for command in commands} == {"make", "pip", "npm"}


def test_the_quick_start(project: Path) -> None:
    (project / "worker.py").write_text(QUICK_START, encoding="utf-8")
    (project / "parent.mjs").write_text(with_python(PARENT), encoding="utf-8")
    # The ack and the first events may come in either order: they are separate promises.
    output = printed("node parent.mjs", project)
    assert sorted(output.splitlines()) == sorted(PRINTED.splitlines())


def test_the_module_command(project: Path) -> None:
    (project / "worker.py").write_text(QUICK_START, encoding="utf-8")
    parent = PARENT.replace('.executable("python3", ["worker.py"])', "")
    parent = parent.replace('new Module("worker")', with_python(SPAWN.strip().rstrip(";")))
    assert "-m" in parent
    (project / "parent.mjs").write_text(parent, encoding="utf-8")
    assert "division by zero E_DIVISION" in printed("node parent.mjs", project)


@pytest.mark.parametrize("source", SNIPPETS)
def test_the_other_snippets_run(source: str, tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(source, encoding="utf-8")
    printed("python snippet.py", tmp_path)


def test_the_examples_without_node() -> None:
    examples = ROOT / "examples"
    (session,) = only("console", examples / "README.md")
    run_session(session, examples)
