#!/usr/bin/env python3
"""One target under libFuzzer: ``FUZZ_TARGET=decode engine.py LIBFUZZER_ARGUMENTS``.

libFuzzer starts this file again, with arguments of its own, when it merges: so it is executable,
and the target's name is no argument.
"""

from __future__ import annotations

import importlib
import os
import sys

import atheris

if __name__ == "__main__":
    name = os.environ["FUZZ_TARGET"]
    if name == "planted":
        target = importlib.import_module("planted").magic
    else:
        with atheris.instrument_imports(include=["procwire"], enable_loader_override=False):
            target = importlib.import_module("targets").TARGETS[name]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
