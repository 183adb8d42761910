"""Fails when the source tree is not the release that a tag says it is; prints what is new in it.

    python tools/check_release.py v0.2.0 >notes.md

The version is written in `procwire/version.py` and nowhere else.  The changelog's newest section is
that version's, with a date, and nothing waits under "Unreleased".
"""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
RELEASE = re.compile(r"(\S+) - (\d{4}-\d{2}-\d{2})")


class NotThisReleaseError(Exception):
    """The text says what has to be put right before the tag."""


def sections(changelog: str) -> list[tuple[str, str]]:
    """Headings and what is under each, in the order of the page."""
    parts = HEADING.split(changelog)
    return [(heading, text.strip()) for heading, text in zip(parts[1::2], parts[2::2], strict=True)]


def notes(tag: str, version_file: str, changelog: str, today: date) -> str:
    """What is new in the release.

    Raises:
        NotThisReleaseError: the files are of another release, or of none.
    """
    found = VERSION.search(version_file)
    if found is None:
        raise NotThisReleaseError("procwire/version.py has no version")
    version = found[1]
    if tag != f"v{version}":
        raise NotThisReleaseError(f"the tag is {tag}, but the version is {version}")
    waiting, *released = [("Unreleased", ""), *sections(changelog)]
    if released and released[0][0] == "Unreleased":
        waiting, *released = released
    if waiting[1]:
        raise NotThisReleaseError("the changelog has something under Unreleased")
    (heading, text), *older = released or [("nothing", "")]
    release = RELEASE.fullmatch(heading)
    if release is None or release[1] != version:
        raise NotThisReleaseError(
            f"the changelog's newest section is '{heading}', not '{version} - {today}'"
        )
    if date.fromisoformat(release[2]) > today:
        raise NotThisReleaseError(f"the changelog's newest section is of the future: {release[2]}")
    if not text:
        raise NotThisReleaseError(f"the changelog says nothing about {version}")
    if version in [other.split(" ")[0] for other, _ in older]:
        raise NotThisReleaseError(f"the changelog has {version} twice")
    return text


def main(tag: str) -> int:
    try:
        print(
            notes(
                tag,
                (ROOT / "procwire" / "version.py").read_text(encoding="utf-8"),
                (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
                date.today(),
            )
        )
    except NotThisReleaseError as error:
        print(f"{tag} is no release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/check_release.py TAG")
    sys.exit(main(sys.argv[1]))
