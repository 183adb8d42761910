"""What is in the sdist and in the wheel that `make test` has built from it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from importlib import metadata
from pathlib import Path

import pytest

import procwire

from .tools import load

ROOT = Path(__file__).resolve().parents[2]
MODULE_LIMIT: int = load("check_wheels").MODULE_LIMIT
MODULES = {".py", ".pyi"}
COMPILED_CORE = re.compile(r"procwire/_core\.c\S+\.(so|pyd)")
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"

pytestmark = pytest.mark.skipif(
    os.environ.get("PROCWIRE_TEST_TREE") == "1", reason="the source tree is tested, not a wheel"
)


def the_only(directory: Path, pattern: str) -> Path:
    (found,) = directory.glob(pattern)
    return found


def the_wheel() -> Path:
    """The one that is installed."""
    if path := os.environ.get("TEST_WHEEL"):
        return Path(path)
    return the_only(ROOT / "build" / f"wheel-{VERSION}", "*.whl")


def test_the_sdist_has_sources_and_nothing_generated() -> None:
    with tarfile.open(the_only(ROOT / "dist", "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = {
        path.relative_to(ROOT).as_posix()
        for directory in ("csrc", "procwire")
        for path in (ROOT / directory).rglob("*")
        if path.suffix in {".c", ".h", ".py", ".pyi", ".pyx", ".pxd"}
    }
    assert tracked <= names
    assert {"pyproject.toml", "setup.py", "LICENSE", "README.md", "procwire/py.typed"} <= names
    assert not [name for name in names if name.endswith((".cpp", ".so", ".pyd", ".pyc"))]
    assert not [name for name in names if name.endswith(".c") and not name.startswith("csrc/")]


def test_the_wheel_has_no_sources() -> None:
    with zipfile.ZipFile(the_wheel()) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.endswith((".c", ".h", ".pyx", ".pxd", ".pyc"))]
    assert not [name for name in names if name.startswith(("tests", "csrc", "examples"))]
    assert {"procwire/py.typed", "procwire/_core.pyi", "pytest_procwire.py"} <= set(names)
    assert len([name for name in names if COMPILED_CORE.fullmatch(name)]) == 1


def test_every_package_is_in_the_wheel() -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "procwire").rglob("*")
        if path.suffix in MODULES
    }
    with zipfile.ZipFile(the_wheel()) as archive:
        assert modules <= set(archive.namelist())


def test_the_compiled_module_is_small(tmp_path: Path) -> None:
    """As it is published: without the names that only a debugger reads."""
    if sys.platform == "win32":
        pytest.skip("there the names are in a file of their own")
    if shutil.which("strip") is None:
        pytest.skip("binutils are missing")
    with zipfile.ZipFile(the_wheel()) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".so")]
        module = archive.extract(name, tmp_path)
    # Without an option macOS refuses, since Python has to find some of them.
    options = ["-x"] if sys.platform == "darwin" else []
    subprocess.run(["strip", *options, module], check=True)
    assert len(zlib.compress(Path(module).read_bytes())) <= MODULE_LIMIT


def test_the_version_is_written_once() -> None:
    assert procwire.__version__ == metadata.version("procwire")
    written = [
        path
        for path in (ROOT / "pyproject.toml", ROOT / "setup.py", *(ROOT / "procwire").rglob("*.p*"))
        if f'"{procwire.__version__}"' in path.read_text(encoding="utf-8")
    ]
    assert written == [ROOT / "procwire" / "version.py"]


def test_the_only_requirement_is_msgpack() -> None:
    required = [
        requirement
        for requirement in metadata.requires("procwire") or []
        if "extra ==" not in requirement
    ]
    assert required == ["msgpack<2,>=1.1"]
