"""What docs/compatibility.md names is what is run."""

from __future__ import annotations

import json
import re

from .pages import DOCS, ROOT

PAGE = (DOCS / "compatibility.md").read_text(encoding="utf-8")
PACKAGES = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


def test_each_version_of_the_parent_is_run() -> None:
    rows = re.findall(r"^\| (\d[\d.]*) \|.*?\| `(make [\w-]+)` \|", PAGE, re.MULTILINE)
    others = re.search(r"^PARENTS := (.*)$", MAKEFILE, re.MULTILINE)
    assert others is not None
    assert dict(rows) == {
        PACKAGES["@procwire/core"]: "make test",
        **dict.fromkeys(others[1].split(), "make test-parents"),
    }
    assert "- run: make test-parents" in WORKFLOW
    assert f"`@procwire/core` {PACKAGES['@procwire/core']}" in PAGE
    assert f"`@procwire/codecs` {PACKAGES['@procwire/codecs']}" in PAGE
    assert f"`@procwire/client` {PACKAGES['@procwire/client']}" in PAGE


def test_each_python_is_run() -> None:
    pythons = re.search(r"python: \[(.*)\]", WORKFLOW)
    assert pythons is not None
    versions = re.findall(r"3\.\d+", pythons[1])
    assert f"{versions[0]} to {versions[-1]} in the workflow" in PAGE
    (node,) = set(re.findall(r"node-version: (\d+)", WORKFLOW))
    assert f"{node} in the workflow" in PAGE
