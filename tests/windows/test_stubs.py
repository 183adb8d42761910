"""The stub of the module that is there on Windows alone; stubtest sees it nowhere else."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import procwire
from procwire import _named_pipe

STUB = Path(procwire.__file__).with_name("_named_pipe.pyi")


def test_the_stub_is_what_was_compiled() -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    (stub,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    methods = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    compiled = getattr(_named_pipe, stub.name)
    assert _named_pipe.__all__ == [stub.name]
    assert {name for name in vars(compiled) if not name.startswith("_")} == set(methods)
    for name, method in methods.items():
        parameters = list(inspect.signature(getattr(compiled, name)).parameters)
        assert parameters == [argument.arg for argument in method.args.args], name
