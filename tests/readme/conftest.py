"""Where the programs of a page are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from .pages import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A directory as a user's: the npm packages in it, `python3` on the path."""
    if sys.platform == "win32":
        # A link takes a privilege there, but Node finds packages in the directories above as well.
        (ROOT / "build").mkdir(exist_ok=True)
        # What a program has open when it is ended stays there for as long.
        with TemporaryDirectory(dir=ROOT / "build", ignore_cleanup_errors=True) as directory:
            yield Path(directory)
        return
    (tmp_path / "node_modules").mkdir()
    for package in (ROOT / "node_modules").iterdir():
        (tmp_path / "node_modules" / package.name).symlink_to(package)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    yield tmp_path
