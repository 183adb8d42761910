"""The extension modules; everything else about the package is in pyproject.toml."""

import os
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

# What is built for, which need not be what builds.
FOR_WINDOWS = sysconfig.get_platform().startswith("win")

# Set explicitly: an inherited CFLAGS would otherwise silently take the optimisation away.
if sys.platform == "win32":
    COMPILE_ARGS = ["/O2"]
    LINK_ARGS = []
else:
    COMPILE_ARGS = ["-O2", "-g0", "-fvisibility=hidden"]
    COMPILE_ARGS += ["-Wall", "-Wextra", "-Wno-unused-parameter", "-pthread"]
    LINK_ARGS = ["-pthread"]

# For `make sanitize` and `make fuzz`: what goes behind -fsanitize=, such as "address,undefined".
SANITIZERS = os.environ.get("PROCWIRE_SANITIZE")
if SANITIZERS:
    # Only a fuzzer runs long enough for the time that a compiler takes to make it faster.
    COMPILE_ARGS += ["-O1" if "fuzzer" in SANITIZERS else "-O0", "-g", "-fno-omit-frame-pointer"]
    COMPILE_ARGS += [f"-fsanitize={SANITIZERS}"]
    # What is undefined ends the process; and the assertions in Python's headers are on.
    COMPILE_ARGS += ["-fno-sanitize-recover=all", "-UNDEBUG"]
    LINK_ARGS += [f"-fsanitize={SANITIZERS}"]

LIBRARIES = ["advapi32", "ws2_32"] if FOR_WINDOWS else []

PIPE_SOURCE = "csrc/procwire_pipe.c"
C_SOURCES = sorted(str(path) for path in Path("csrc").glob("*.c") if path != Path(PIPE_SOURCE))
C_HEADERS = sorted(str(path) for path in Path("csrc").glob("*.h"))
PARTS = sorted(str(path) for path in Path("procwire/core").glob("*.p[yx]*"))


def extension(name: str, sources: list[str], depends: list[str]) -> Extension:
    return Extension(
        name,
        sources,
        include_dirs=["csrc"],
        depends=depends,
        libraries=LIBRARIES,
        extra_compile_args=COMPILE_ARGS,
        extra_link_args=LINK_ARGS,
    )


EXTENSIONS = [
    extension("procwire._core", ["procwire/_core.pyx", *C_SOURCES], [*C_HEADERS, *PARTS]),
]
if FOR_WINDOWS:
    EXTENSIONS.append(
        extension("procwire._named_pipe", ["procwire/_named_pipe.pyx", PIPE_SOURCE], [*C_HEADERS])
    )

setup(
    ext_modules=cythonize(
        EXTENSIONS,
        build_dir="build/cython",
        # Reports of sanitizers name the line in the .pyx file then.
        emit_linenums=bool(SANITIZERS),
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            # Nothing here can be pickled: what would say so is a sixth of the module.
            "auto_pickle": False,
        },
    )
)
