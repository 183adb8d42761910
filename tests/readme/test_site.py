"""The site is whole: its links, its navigation, its reference."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

import procwire.errors
import procwire.parent
import procwire.testing

from .pages import DOCS, PAGES, README, ROOT


@pytest.mark.parametrize("path", [README, *PAGES], ids=lambda path: path.name)
def test_the_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_the_site_has_every_page() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {path.relative_to(DOCS).as_posix() for path in PAGES}
    assert set(re.findall(r"^ +- .*: (\S+\.md)$", navigation, re.MULTILINE)) == pages


@pytest.mark.parametrize("package", [procwire, procwire.parent, procwire.testing])
def test_the_reference_has_every_name(package: ModuleType) -> None:
    pages = [path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md")]
    shown = set(re.findall(r"^::: (\S+)$", "\n".join(pages), re.MULTILINE))
    shown |= {f"{package.__name__}.{name}" for name in procwire.errors.__all__}
    shown.add("procwire.__version__")
    assert {f"{package.__name__}.{name}" for name in package.__all__} <= shown
