"""The pages of docs/ do what they say: their files are written, their commands run."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from .pages import DOCS, PAGES, blocks_of, printed, run, run_session, write_files

WITH_TESTS_OF_THEIR_OWN = {
    "dataframes.md": "tests/examples/test_examples.py",
    "debugging.md": "tests/readme/test_debugging_page.py",
    "electron.md": "tests/readme/test_electron_page.py",
    "protocol.md": "tests/readme/test_protocol.py",
    "testing.md": "tests/readme/test_testing_page.py",
}
INSTALLATION = re.compile(r"(pip|npm) install .+")
"""Nobody wants the tests to do that."""
ON_ERROR = "standard error of "
"""Before the command that prints a block there."""
STRICT = """{
  "compilerOptions": {
    "strict": true, "module": "nodenext", "target": "es2022", "types": ["node"],
    "skipLibCheck": true, "noEmit": true
  }
}"""
OTHERS = [path for path in PAGES if path.name not in WITH_TESTS_OF_THEIR_OWN]
PROGRAMS = [path for path in OTHERS if any(block.file for block in blocks_of(path))]
SNIPPETS = [
    pytest.param(block.text, id=f"{path.stem}-{number}")
    for path in PAGES
    for number, block in enumerate(blocks_of(path))
    if block.language == "python" and not block.title
]


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_every_block_is_run(path: Path) -> None:
    """By one of the tests below."""
    blocks = blocks_of(path)
    for block in blocks:
        if block.file.endswith(".ts"):
            continue  # the compiler takes all of them
        if block.file:
            name = Path(block.file).stem
            others = [other.title + other.text for other in blocks if other.file != block.file]
            assert any(name in other for other in others), f"nobody uses {block.file}"
        elif block.language == "sh":
            assert all(INSTALLATION.fullmatch(line) for line in block.text.splitlines())
        elif not block.title:
            assert block.language in ("python", "console"), f"nobody runs {block}"


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_the_programs_of_a_page(path: Path, project: Path) -> None:
    done = cache(lambda command: run(command, project))
    for block in write_files(path, project):
        if block.title:
            ended = done(block.title.removeprefix(ON_ERROR))
            assert ended.returncode == 0, ended.stderr
            assert block.text == (
                ended.stderr if block.title.startswith(ON_ERROR) else ended.stdout
            )
        elif block.language == "console":
            run_session(block.text, project)
    if any(project.glob("*.ts")):
        (project / "tsconfig.json").write_text(STRICT, encoding="utf-8")
        (project / "package.json").write_text('{ "type": "module" }', encoding="utf-8")
        assert printed("tsc", project) == ""


@pytest.mark.parametrize("source", SNIPPETS)
def test_a_snippet_runs(source: str, tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(source, encoding="utf-8")
    printed("python snippet.py", tmp_path)


def test_tests_of_their_own_exist() -> None:
    for page, test in WITH_TESTS_OF_THEIR_OWN.items():
        assert (DOCS / page).is_file()
        assert (DOCS.parent / test).is_file()
