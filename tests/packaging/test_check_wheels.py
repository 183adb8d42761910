"""The check of wheels finds what it is for."""

from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

import pytest

from .tools import load

check_wheels = load("check_wheels")

TAGS = "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"
EXTENSION = "procwire/_core.cpython-311-x86_64-linux-gnu.so"
SHT_PROGBITS, SHT_SYMTAB, SHT_DYNSYM = 1, 2, 11


def elf(*sections: int) -> bytes:
    """A file of 64 bits with a section of each of these kinds."""
    header = bytearray(64)
    header[:4] = b"\x7fELF"
    struct.pack_into("<Q", header, 0x28, len(header))
    struct.pack_into("<HH", header, 0x3A, 64, len(sections))
    return bytes(header) + b"".join(struct.pack("<II56x", 0, kind) for kind in sections)


STRIPPED = elf(SHT_PROGBITS, SHT_DYNSYM)


def wheel(directory: Path, content: dict[str, bytes], tags: str = TAGS) -> Path:
    path = directory / f"procwire-0.1.0-{tags}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "tags", [TAGS, "cp311-cp311-musllinux_1_2_aarch64", "cp313-cp313-macosx_11_0_arm64"]
)
def test_a_good_wheel(tags: str, tmp_path: Path) -> None:
    good = wheel(tmp_path, {EXTENSION: STRIPPED, "procwire/py.typed": b""}, tags)
    assert check_wheels.main([good]) == 0


def test_a_good_wheel_for_windows(tmp_path: Path) -> None:
    modules = [f"procwire/{name}.cp314-win_amd64.pyd" for name in ("_core", "_named_pipe")]
    good = wheel(tmp_path, dict.fromkeys(modules, b"MZ"), "cp314-cp314-win_amd64")
    assert check_wheels.main([good]) == 0


@pytest.mark.parametrize(
    ("content", "tags", "fault"),
    [
        ({EXTENSION: STRIPPED, "procwire/core/reader.pyx": b""}, TAGS, "a source in it"),
        ({EXTENSION: STRIPPED, "csrc/procwire_header.h": b""}, TAGS, "a source in it"),
        ({EXTENSION: elf(SHT_DYNSYM, SHT_SYMTAB)}, TAGS, "is not stripped"),
        ({EXTENSION: STRIPPED + random.randbytes(340_000)}, TAGS, "the limit is 340000"),
        ({"procwire/py.typed": b""}, TAGS, "not the extension modules ['_core']"),
        ({EXTENSION: STRIPPED}, "cp311-cp311-win_arm64", "['_core', '_named_pipe']"),
        ({EXTENSION: STRIPPED}, "cp311-cp311-linux_x86_64", "is for linux_x86_64"),
        ({EXTENSION: STRIPPED}, "cp311-cp311-manylinux_2_28_x86_64", "is for manylinux_2_28"),
        ({EXTENSION: STRIPPED}, "cp311-cp311-musllinux_1_1_x86_64", "is for musllinux_1_1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_wheel(
    content: dict[str, bytes],
    tags: str,
    fault: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check_wheels.main([wheel(tmp_path, content, tags)]) == 1
    assert fault in capsys.readouterr().err


def test_no_wheels_are_no_success() -> None:
    assert check_wheels.main([]) == 2
