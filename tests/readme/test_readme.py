"""The snippets of the README and of docs/ do what the pages say."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import procwire.errors
import procwire.parent
import procwire.testing

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(language: str, page: str = README) -> list[str]:
    found = re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [text for kind, text in found if kind == language]


TITLED = re.compile(r'^```(\w+) title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory as a user's: the npm packages in it, `python3` on the path."""
    (tmp_path / "node_modules").mkdir()
    for package in (ROOT / "node_modules").iterdir():
        (tmp_path / "node_modules" / package.name).symlink_to(package)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    return tmp_path


def run_node(project: Path, script: str) -> tuple[str, str]:
    """Standard output and error; the worker's output is on the latter."""
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
    return run.stdout, run.stderr


def test_the_quick_start(project: Path) -> None:
    (project / "worker.py").write_text(blocks("python")[0], encoding="utf-8")
    (project / "parent.mjs").write_text(blocks("js")[0], encoding="utf-8")
    # The ack and the first events may come in either order: they are separate promises.
    assert sorted(run_node(project, "parent.mjs")[0].splitlines()) == sorted(
        blocks("text")[0].splitlines()
    )


def test_the_module_command(project: Path) -> None:
    (project / "worker.py").write_text(blocks("python")[0], encoding="utf-8")
    parent = blocks("js")[0].replace('.executable("python3", ["worker.py"])', "")
    (spawn,) = [text for text in blocks("js") if "-m" in text]
    parent = parent.replace('new Module("worker")', spawn.strip().rstrip(";"))
    assert "-m" in parent
    (project / "parent.mjs").write_text(parent, encoding="utf-8")
    assert "division by zero E_DIVISION" in run_node(project, "parent.mjs")[0]


PROGRAMS = [
    page for page in PAGES if "```js\n" in page.read_text(encoding="utf-8")
]  # fmt: skip


@pytest.mark.parametrize("path", PROGRAMS, ids=[path.name for path in PROGRAMS])
def test_a_page_of_docs_has_one_program(path: Path, project: Path) -> None:
    """Its first worker, its parent, and what either of them prints."""
    page = path.read_text(encoding="utf-8")
    (project / "worker.py").write_text(blocks("python", page)[0], encoding="utf-8")
    (project / "parent.mjs").write_text(blocks("js", page)[0], encoding="utf-8")
    output, errors = run_node(project, "parent.mjs")
    (expected,) = blocks("text", page)
    assert expected in (output, errors)


def write_files(project: Path, page: str) -> Iterator[tuple[str, str]]:
    """Write each titled block to its file, or at its end; yields commands and what they print."""
    for language, title, text in TITLED.findall(page):
        if language == "text":
            yield title, text
        elif (name := title.removesuffix(", continued")) != title:
            with (project / name).open("a", encoding="utf-8") as file:
                file.write(f"\n\n{text}")
        else:
            (project / name).write_text(text, encoding="utf-8")


GUIDES = [page for page in PAGES if 'title="node ' in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", GUIDES, ids=[path.name for path in GUIDES])
def test_the_programs_of_a_page(path: Path, project: Path) -> None:
    for command, expected in write_files(project, path.read_text(encoding="utf-8")):
        node, script = command.split()
        assert node == "node"
        assert run_node(project, script)[0] == expected


def test_the_main_process_of_electron(project: Path) -> None:
    """With a stand-in for Electron's own module, which is no npm package that Node can run."""
    (project / "node_modules" / "electron").symlink_to(HERE / "electron")
    page = (ROOT / "docs" / "electron.md").read_text(encoding="utf-8")
    assert list(write_files(project, page)) == []
    shutil.copy(HERE / "electron" / "window.mjs", project)
    assert run_node(project, "window.mjs")[0].splitlines() == [
        "exposed: worker.call, worker.abort",
        "Hello, Node",
        "no method constructor",
        "AbortError",
        "the worker is gone",
    ]


def test_a_parent_in_python(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "parent.md").read_text(encoding="utf-8")
    worker, parent = blocks("python", page)[:2]
    (tmp_path / "worker.py").write_text(worker, encoding="utf-8")
    (tmp_path / "parent.py").write_text(parent, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "parent.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert [run.stdout] == blocks("text", page)


@pytest.mark.parametrize("name", ["docs/cli.md", "examples/README.md"])
def test_the_command_line(name: str, tmp_path: Path) -> None:
    """Each command prints what the page says."""
    page = (ROOT / name).read_text(encoding="utf-8")
    directory = ROOT / "examples"
    for worker in blocks("python", page)[:1]:
        directory = tmp_path
        (directory / "worker.py").write_text(worker, encoding="utf-8")
    (session,) = blocks("console", page)
    for entry in session.removeprefix("$ ").split("\n$ "):
        line, _, expected = entry.partition("\n")
        program, *words = shlex.split(line)
        assert program == "procwire"
        run = subprocess.run(
            [sys.executable, "-m", "procwire", *words], cwd=directory, capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        assert run.stdout.rstrip("\n") == expected.rstrip("\n"), run.stderr


def test_the_tests_of_a_worker(tmp_path: Path) -> None:
    pytest.importorskip("anyio")
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    worker, *tests = blocks("python", page)
    (tmp_path / "worker.py").write_text(worker, encoding="utf-8")
    for number, source in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(source, encoding="utf-8")
    (ini,) = blocks("toml", page)
    (tmp_path / "pyproject.toml").write_text(ini, encoding="utf-8")
    # The plugins of this suite's environment take seconds to load; these are the page's.
    (tmp_path / "conftest.py").write_text(
        "pytest_plugins = ['anyio.pytest_plugin', 'pytest_procwire']\n", encoding="utf-8"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error"], cwd=tmp_path, capture_output=True,
        text=True, timeout=60, check=False,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{sum(source.count('def test_') for source in tests)} passed" in run.stdout


SNIPPETS = blocks("python")[1:] + [
    source for path in PAGES if path.name != "testing.md"
    for source in blocks("python", path.read_text(encoding="utf-8")) if "__main__" not in source
]  # fmt: skip


@pytest.mark.parametrize("source", SNIPPETS)
def test_the_other_snippets_run(source: str, tmp_path: Path) -> None:
    # Away from the source tree, which would be imported from.
    subprocess.run([sys.executable, "-c", source], check=True, timeout=60, cwd=tmp_path)


@pytest.mark.parametrize("path", [ROOT / "README.md", *PAGES], ids=lambda path: path.name)
def test_the_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_the_site_has_every_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    assert set(re.findall(r"^ +- .*: (\S+\.md)$", navigation, re.MULTILINE)) == pages


@pytest.mark.parametrize("package", [procwire, procwire.parent, procwire.testing])
def test_the_reference_has_every_name(package: ModuleType) -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs/reference").glob("*.md")]
    shown = set(re.findall(r"^::: (\S+)$", "\n".join(pages), re.MULTILINE))
    shown |= {f"{package.__name__}.{name}" for name in procwire.errors.__all__}
    shown.add("procwire.__version__")
    assert {f"{package.__name__}.{name}" for name in package.__all__} <= shown
