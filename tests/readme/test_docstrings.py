"""The examples in docstrings, which are those of the reference, run."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent, indent

import pytest

import procwire

from .pages import printed

PACKAGE = Path(procwire.__file__).parent
LITERAL = re.compile(r"::\n\n((?:(?: {4}.*)?\n)+)")
WORKER = """\
from procwire import Client


async def count(up_to):
    for number in range(up_to):
        yield number


def make():
    client = Client().handle("echo", lambda data: data).handle("count", count)
    return client.handle("add", lambda data: data["a"] + data["b"])


client = make()

if __name__ == "__main__":
    client.run()
"""
HEAD = """\
import asyncio
import logging
import sys
import time
from contextlib import suppress
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

import worker
from procwire import *
from procwire.arrays import *
from procwire.parent import *
from procwire.testing import *

module = declare(worker.client).executable(sys.executable, ["worker.py"])
"""


def examples() -> Iterator[tuple[str, str]]:
    """The name of what is documented, and the example."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = cleandoc(ast.get_docstring(node, clean=False) or "") + "\n"
                for number, example in enumerate(LITERAL.findall(text)):
                    yield f"{node.name}_{number}", dedent(example)


@pytest.mark.skipif(sys.flags.isolated, reason="this Python imports nothing from where it is")
def test_they_run(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER, encoding="utf-8")
    program, names = HEAD, []
    for name, example in examples():
        names.append(name)
        program += f"\n\nasync def {name}(client):\n{indent(example, '    ')}"
        program += f"\n\nwith suppress(HandlerError):\n    asyncio.run({name}(worker.make()))\n"
    assert {"Client_0", "Module_0", "TestParent_0", "HandlerError_0"} <= set(names)
    (tmp_path / "examples.py").write_text(program, encoding="utf-8")
    assert printed("python -c 'import examples'", tmp_path) == "3\n0\n1\n2\n"
