"""What docs/debugging.md shows is what its worker, a debugger and a recording say."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from procwire.parent import Module, ModuleManager

from .pages import DEADLINE, DOCS, WINDOWS, environment, printed, run, write_files

PAGE = DOCS / "debugging.md"


def masked(text: str) -> str:
    """Without what is another one each time: paths, process ids, names of sockets, times."""
    text = re.sub(r"\S+/python[\d.]*|\S+(?=/worker.py)", "", text)
    return re.sub(r"(?<=attach )\S+|[\d:]+\.\d{3}(?= procwire)|(?<=after )[\d.]+", "", text)


async def divide(project: Path) -> tuple[str, str]:
    """The parent's two calls, and the debugger that the second waits for.

    Returns:
        What the worker has written to standard error, and the debugger to the terminal.
    """
    log = project / "log"
    worker = Module("worker").method("divide")
    worker.executable(
        "/bin/sh",
        ["-c", f'exec "$@" 2>{log}', "sh", sys.executable, "-m", "procwire", "run", "worker"],
        cwd=str(project),
        env={**environment(project), "PROCWIRE_DEBUG": "1", "PROCWIRE_RECORD": "recording"},
    )
    async with ModuleManager(worker):
        assert await worker.send("divide", {"number": 6, "by": 3}) == 2
        stopped = asyncio.ensure_future(worker.send("divide", {"number": 6, "by": 4}))
        while not (place := re.search(r"attach (\d+) ", log.read_text(encoding="utf-8"))):
            await asyncio.sleep(0.01)
        debugger = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "procwire", "attach", place[1],
            cwd=project, env=environment(project), stdin=-1, stdout=-1, stderr=-1,
        )  # fmt: skip
        said, errors = await debugger.communicate(b"p data\ncontinue\n")
        assert await stopped == 1.5
    return log.read_text(encoding="utf-8"), (said + errors).decode()


@pytest.mark.skipif(WINDOWS, reason="the page shows paths and a socket of POSIX")
def test_the_page(project: Path) -> None:
    stopped, session, frames, replayed, listed = [
        block.text for block in write_files(PAGE, project)
    ]
    log, said = asyncio.run(asyncio.wait_for(divide(project), DEADLINE))
    assert masked(stopped) in masked(log)
    assert masked(frames) in masked(log)
    # Pipes do not echo what is typed, and before Python 3.13 pdb stops in the next line.
    echoed = re.sub(r"\(Pdb\) .+\n", "(Pdb) ", session).partition("\n")[2]
    assert said.endswith(echoed)
    assert printed("python frames.py", project) == listed

    worker = project / "worker.py"
    changed = worker.read_text(encoding="utf-8").replace(" / ", " // ")
    worker.write_text(changed.replace("breakpoint()", "pass"), encoding="utf-8")
    again = run("procwire replay recording worker:client", project)
    assert (again.returncode, again.stdout) == (1, replayed)
