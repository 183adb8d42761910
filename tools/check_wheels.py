"""Fails when a wheel is not what every wheel of ours has to be.

    python tools/check_wheels.py wheelhouse/*.whl

It is stripped and without sources, its compiled module is small, and it runs on the oldest systems
that are promised.  What any wheel has to be is for `check-wheel-contents` and `twine check` to say.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

MODULES = ["_core"]
MODULES_ON_WINDOWS = ["_core", "_named_pipe"]
# Of a compiled module as it is in a wheel for Linux, compressed.  The Python files grow by what is
# added to them; this grows unseen, with a release of Cython or of a compiler.
MODULE_LIMIT = 340_000
SOURCES = {".c", ".cpp", ".h", ".pxd", ".pxi", ".pyx"}
# Of Linux: what was linked against a newer C library has another one.
LINUX_PLATFORMS = {"manylinux_2_17", "manylinux2014", "musllinux_1_2"}

SHT_SYMTAB = 2


def has_symbol_table(elf: bytes) -> bool:
    """Whether `strip` would take something away: dynamic symbols are in another section."""
    (sections_at,) = struct.unpack_from("<Q", elf, 0x28)
    entry_size, entries = struct.unpack_from("<HH", elf, 0x3A)
    kinds = (
        struct.unpack_from("<I", elf, sections_at + number * entry_size + 4)[0]
        for number in range(entries)
    )
    return SHT_SYMTAB in kinds


def faults(wheel: Path) -> Iterator[str]:
    """What is wrong with a wheel, a text each."""
    # name-version-python-abi-platform.platform
    for platform in wheel.stem.split("-")[4].split("."):
        system, _, machine = platform.partition("linux")
        if machine and not platform.startswith(tuple(LINUX_PLATFORMS)):
            yield f"is for {system}linux{machine}, not for {' or '.join(sorted(LINUX_PLATFORMS))}"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for name in names:
            if Path(name).suffix in SOURCES:
                yield f"has a source in it: {name}"
        extensions = [name for name in names if name.endswith((".so", ".pyd"))]
        modules = MODULES_ON_WINDOWS if "-win_" in wheel.stem else MODULES
        if sorted(Path(name).name.partition(".")[0] for name in extensions) != modules:
            yield f"has not the extension modules {modules}, but {extensions}"
        for name in extensions:
            binary = archive.read(name)
            if not binary.startswith(b"\x7fELF"):
                continue
            size = archive.getinfo(name).compress_size
            if size > MODULE_LIMIT:
                yield f"has {size} bytes of {name}, compressed: the limit is {MODULE_LIMIT}"
            if has_symbol_table(binary):
                yield f"is not stripped: {name} has a symbol table"


def main(wheels: list[Path]) -> int:
    if not wheels:
        print("check_wheels: no wheels were given", file=sys.stderr)
        return 2
    failed = False
    for wheel in wheels:
        found = list(faults(wheel))
        failed = failed or bool(found)
        for fault in found:
            print(f"{wheel.name} {fault}", file=sys.stderr)
        if not found:
            print(f"{wheel.name}: {wheel.stat().st_size} bytes")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]]))
