"""The extension module; everything else about the package is in pyproject.toml."""

import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# Set explicitly: an inherited CFLAGS would otherwise silently take the optimisation away.
if sys.platform == "win32":
    COMPILE_ARGS = ["/O2"]
    LINK_ARGS = []
else:
    COMPILE_ARGS = ["-O2", "-g0", "-fvisibility=hidden"]
    COMPILE_ARGS += ["-Wall", "-Wextra", "-Wno-unused-parameter", "-pthread"]
    LINK_ARGS = ["-pthread"]

C_SOURCES = sorted(str(path) for path in Path("csrc").glob("*.c"))
C_HEADERS = sorted(str(path) for path in Path("csrc").glob("*.h"))
PARTS = sorted(str(path) for path in Path("procwire/core").glob("*.p[yx]*"))

setup(
    ext_modules=cythonize(
        Extension(
            "procwire._core",
            ["procwire/_core.pyx", *C_SOURCES],
            include_dirs=["csrc"],
            depends=[*C_HEADERS, *PARTS],
            extra_compile_args=COMPILE_ARGS,
            extra_link_args=LINK_ARGS,
        ),
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    )
)
