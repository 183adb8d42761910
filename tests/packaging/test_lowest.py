"""The lowest versions that are tested are those that are promised."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def lowest_tested() -> dict[str, Version]:
    lines = (ROOT / "tests" / "lowest.txt").read_text().splitlines()
    names = [line.split("==") for line in lines if not line.startswith("#")]
    return {name: Version(version) for name, version in names}


def promised() -> Iterator[Requirement]:
    yield from map(Requirement, PROJECT["project"]["dependencies"])
    for extra in PROJECT["project"]["optional-dependencies"].values():
        yield from map(Requirement, extra)


def test_all_that_is_promised_is_tested() -> None:
    # Windows has a machine of its own to be tested on.
    on_linux = {requirement.name for requirement in promised()} - {"winloop"}
    assert on_linux <= lowest_tested().keys()


def test_what_is_tested_is_the_lowest() -> None:
    test = list(map(Requirement, PROJECT["dependency-groups"]["test"]))
    floors = {
        (requirement.name, specifier.version)
        for requirement in [*promised(), *test]
        for specifier in requirement.specifier
        if specifier.operator == ">=" and requirement.name in lowest_tested()
    }
    for name, floor in floors:
        # There never was a 23.0 of attrs, which "23" begins with.
        tested = str(lowest_tested()[name])
        assert (tested + ".").startswith(floor + "."), name
