"""The control plane as a parent reads it, byte by byte."""

from __future__ import annotations

import asyncio
import json

import pytest

from procwire.parent.errors import SpawnError
from procwire.parent.process import MAX_LINE_SIZE, WorkerProcess

from .driving import run

INIT = json.dumps({"jsonrpc": "2.0", "method": "$init", "params": {"pipe": "p"}}).encode()


def test_control_lines(loop_name: str) -> None:
    async def main() -> None:
        lines = WorkerProcess(asyncio.get_running_loop())
        for data in (
            b"printed by somebody\n{broken\n[]\n{}\n",
            b"{" * 5000 + b"\n",
            b"{" + b"x" * (MAX_LINE_SIZE // 2),
            b"x" * MAX_LINE_SIZE + INIT + b"\n",
        ):
            lines.pipe_data_received(1, data)
        assert not lines.announced.done()
        for index in range(len(INIT)):
            lines.pipe_data_received(1, INIT[index : index + 1])
        assert not lines.announced.done()
        lines.pipe_data_received(1, b"\n{")
        assert lines.announced.result() == {"pipe": "p"}

    run(loop_name, main)


def test_a_worker_that_says_why_it_cannot_start(loop_name: str) -> None:
    async def main() -> None:
        lines = WorkerProcess(asyncio.get_running_loop())
        lines.pipe_data_received(1, b'{"method":"$error","params":{"message":"no model"}}\n')
        lines.pipe_data_received(1, INIT + b"\n")
        with pytest.raises(SpawnError, match="no model"):
            await lines.announced

    run(loop_name, main)
