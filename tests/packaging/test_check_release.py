"""A tag is a release only when version and changelog say so, too."""

from __future__ import annotations

from datetime import date

import pytest

from .tools import load

check_release = load("check_release")

TODAY = date(2026, 11, 23)
VERSION = '__version__ = "0.2.0"\n'
CHANGELOG = """\
# Changelog

What users notice.

## Unreleased

## 0.2.0 - 2026-11-23

### Added

- Wheels.

## 0.1.0 - 2026-10-01

- All.
"""


def test_the_notes_are_the_newest_section() -> None:
    assert check_release.notes("v0.2.0", VERSION, CHANGELOG, TODAY) == "### Added\n\n- Wheels."


def test_a_changelog_needs_no_place_for_what_is_to_come() -> None:
    changelog = CHANGELOG.replace("## Unreleased\n\n", "")
    assert check_release.notes("v0.2.0", VERSION, changelog, TODAY) == "### Added\n\n- Wheels."


@pytest.mark.parametrize(
    ("tag", "version", "changelog", "reason"),
    [
        ("v0.3.0", VERSION, CHANGELOG, "the version is 0.2.0"),
        ("0.2.0", VERSION, CHANGELOG, "the tag is 0.2.0"),
        ("v0.2.0", "VERSION = 2\n", CHANGELOG, "has no version"),
        ("v0.2.0", VERSION, "# Changelog\n", "newest section is 'nothing'"),
        ("v0.2.0", VERSION, "## Unreleased\n", "newest section is 'nothing'"),
        (
            "v0.2.0", VERSION, CHANGELOG.replace("## 0.2.0", "- More.\n\n## 0.2.0"),
            "something under Unreleased",
        ),
        ("v0.2.0", VERSION, CHANGELOG.replace("0.2.0", "0.2.1"), "newest section is '0.2.1"),
        ("v0.2.0", VERSION, CHANGELOG.replace(" - 2026-11-23", ""), "newest section is '0.2.0'"),
        ("v0.2.0", VERSION, CHANGELOG.replace("11-23", "11-24"), "of the future"),
        ("v0.2.0", VERSION, CHANGELOG.replace("### Added\n\n- Wheels.\n", ""), "says nothing"),
        ("v0.2.0", VERSION, CHANGELOG.replace("0.1.0", "0.2.0"), "0.2.0 twice"),
    ],
)  # fmt: skip
def test_what_is_no_release(tag: str, version: str, changelog: str, reason: str) -> None:
    with pytest.raises(check_release.NotThisReleaseError, match=reason):
        check_release.notes(tag, version, changelog, TODAY)
