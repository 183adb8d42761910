"""Prints what pip has to install for the tests on Windows, from another system.

    python tools/windows/requirements.py pyproject.toml VERSION

pip gets the files for a platform that it is told, but takes the conditions in requirements to be
about the system that it runs on.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator

from packaging.requirements import Requirement

# It builds wheels, which nobody does there.
NOT_THERE = {"cibuildwheel"}
# What the others depend on, on the same condition.
DEPENDENCIES = ["colorama", "tzdata"]


def requirements(project: dict, version: str) -> Iterator[str]:
    windows = {
        "os_name": "nt",
        "platform_system": "Windows",
        "python_version": version,
        "sys_platform": "win32",
    }
    for text in project["project"]["dependencies"] + project["dependency-groups"]["test"]:
        requirement = Requirement(text)
        if requirement.name in NOT_THERE:
            continue
        if requirement.marker is None or requirement.marker.evaluate(windows):
            requirement.marker = None
            yield str(requirement)
    yield from DEPENDENCIES


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print(*requirements(tomllib.load(file), sys.argv[2]), sep="\n")
