"""Where the programs of a page are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .pages import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory as a user's: the npm packages in it, `python3` on the path."""
    if sys.platform == "win32":
        pytest.skip("the pages start `python3`, which Windows has none of")
    (tmp_path / "node_modules").mkdir()
    for package in (ROOT / "node_modules").iterdir():
        (tmp_path / "node_modules" / package.name).symlink_to(package)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    return tmp_path
