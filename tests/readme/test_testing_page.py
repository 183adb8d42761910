"""The tests on docs/testing.md pass, and what they leave behind is told as it says."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from procwire import Client, NotConnectedError
from procwire.testing import LeftBehindError, TestParent

from .pages import DEADLINE, DOCS, blocks_of, write_files

PAGE = DOCS / "testing.md"


def test_the_tests_of_a_worker(tmp_path: Path) -> None:
    pytest.importorskip("anyio")
    assert [block.language for block in write_files(PAGE, tmp_path)] == ["text"]
    # The plugins of this suite's environment take seconds to load; these are the page's.
    (tmp_path / "conftest.py").write_text(
        "pytest_plugins = ['anyio.pytest_plugin', 'pytest_procwire']\n", encoding="utf-8"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    tests = sum(block.text.count("def test_") for block in blocks_of(PAGE))
    assert f"{tests} passed" in run.stdout


def test_what_is_left_behind() -> None:
    client = Client()
    tasks: list[asyncio.Task[Any]] = []

    async def refresh() -> None:
        await asyncio.Event().wait()

    @client.handle
    async def load(_data: Any) -> None:
        tasks.append(asyncio.create_task(refresh()))

    @client.handle
    async def embed(_data: Any) -> None:
        await asyncio.Event().wait()

    @client.handle
    async def echo(data: Any) -> Any:
        return data

    async def leave() -> None:
        async with TestParent(client) as parent:
            await parent.send("load")
            tasks.append(asyncio.create_task(parent.send("embed")))
            # A turn for the task to call, and an answer that comes after the call.
            await asyncio.sleep(0)
            await parent.send("echo")

    with pytest.raises(LeftBehindError) as caught:
        asyncio.run(leave())
    assert isinstance(tasks[-1].exception(), NotConnectedError)
    (text,) = [block.text for block in blocks_of(PAGE) if block.language == "text"]
    said = re.sub("0x[0-9a-fA-F]+", "0x…", str(caught.value))
    assert said.replace("test_what_is_left_behind.<locals>.", "") == text.strip()
