"""The main process of docs/electron.md, with a stand-in for Electron's own module."""

from __future__ import annotations

import shutil
from pathlib import Path

from .pages import DOCS, HERE, printed, write_files


def test_the_main_process(project: Path) -> None:
    # Electron itself is no npm package that Node can run.
    module = project / "node_modules" / "electron"
    shutil.copytree(HERE / "electron", module, copy_function=shutil.copy)
    assert list(write_files(DOCS / "electron.md", project)) == []
    shutil.copy(HERE / "electron" / "window.mjs", project)
    assert printed("node window.mjs", project).splitlines() == [
        "exposed: worker.call, worker.abort",
        "Hello, Node",
        "no method constructor",
        "AbortError",
        "the worker is gone",
    ]
