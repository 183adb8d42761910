"""The extension modules; everything else about the package is in pyproject.toml."""

import os
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

MODULES = ["_framing", "_codecs", "_msgpack", "_task", "_connection", "_worker"]

# Set explicitly: an inherited CFLAGS would otherwise silently take the optimisation away.
if sys.platform == "win32":
    COMPILE_ARGS = ["/O2"]
else:
    COMPILE_ARGS = ["-O2", "-g0", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter"]

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"procwire.{name}",
                [f"procwire/{name}.pyx"],
                include_dirs=["csrc"],
                depends=["csrc/procwire_header.h"],
                extra_compile_args=COMPILE_ARGS,
            )
            for name in MODULES
            if os.path.exists(f"procwire/{name}.pyx")
        ],
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
