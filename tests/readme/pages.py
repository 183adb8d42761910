"""The blocks of a page, and the programs that are made of them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
WINDOWS = sys.platform == "win32"
DEADLINE = 60.0
"""Seconds after which a program is given up."""

FENCE = re.compile(
    r'^(?P<indent> *)```(?: \{ \.)?(?P<language>\w+)(?: title="(?P<title>[^"]+)")?(?: \})?\n'
    r"(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
FILE = re.compile(r"([\w.]+\.\w+)(?:, continued)?")


@dataclass(frozen=True)
class Block:
    """What stands between fences.

    Attributes:
        language: What it is written in.
        title: A file's name, or the command that prints it; or empty.
        text: What it says.
    """

    language: str
    title: str
    text: str

    @property
    def file(self) -> str:
        """The name of the file that it is, or that it goes on; empty if it is none."""
        match = FILE.fullmatch(self.title)
        return match[1] if match else ""


def blocks_of(path: Path) -> list[Block]:
    """All of a page. A fence that is not understood is an error, and so never overlooked."""
    page = path.read_text(encoding="utf-8")
    found = list(FENCE.finditer(page))
    assert page.count("```") == 2 * len(found), f"{path.name}: a fence that is not understood"
    return [Block(block["language"], block["title"] or "", block["text"]) for block in found]


def only(language: str, path: Path) -> list[str]:
    """The texts of a page's blocks in a language."""
    return [block.text for block in blocks_of(path) if block.language == language]


def with_python(text: str) -> str:
    """A program that starts `python3`, as it is where there is none."""
    return text.replace('"python3"', json.dumps(sys.executable)) if WINDOWS else text


def write(block: Block, project: Path) -> None:
    """Write a block to its file, or to the end of it."""
    text = with_python(block.text)
    with (project / block.file).open(
        "w" if block.title == block.file else "a", encoding="utf-8"
    ) as file:
        file.write(text if block.title == block.file else f"\n\n{text}")


def write_files(path: Path, project: Path) -> Iterator[Block]:
    """Write what is a file and yield what is none, in the order of the page."""
    for block in blocks_of(path):
        if block.file:
            write(block, project)
        else:
            yield block


def environment(project: Path) -> dict[str, str]:
    """A user's: `python3` is the Python of the tests, which finds what they can import."""
    others = {name: value for name, value in os.environ.items() if "PROCWIRE" not in name}
    return {
        **others,
        "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}",
        # Node writes nothing else.
        "PYTHONIOENCODING": "utf-8",
        # A symlink to an interpreter is not part of its environment.
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }


def run(command: str, project: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as it stands on a page."""
    program, *words = shlex.split(command)
    node = shutil.which("node")
    assert node is not None
    programs = {
        "node": [node],
        "procwire": [sys.executable, "-m", "procwire"],
        "python": [sys.executable],
        "tsc": [node, str(ROOT / "node_modules" / "typescript" / "bin" / "tsc")],
    }
    return subprocess.run(
        [*programs[program], *words],
        cwd=project,
        env={**environment(project), **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )


def printed(command: str, project: Path) -> str:
    """What a command prints that has to succeed."""
    done = run(command, project)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_session(session: str, project: Path) -> None:
    """Run each command behind a ``$``: it prints what stands below it."""
    for entry in session.removeprefix("$ ").split("\n$ "):
        command, _, expected = entry.rstrip("\n").partition("\n")
        done = run(command, project)
        assert done.stdout.rstrip("\n") == expected.rstrip("\n"), done.stderr
        assert done.returncode == 0, done.stderr
