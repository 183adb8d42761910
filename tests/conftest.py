"""What every test stands on: the installed package, and each of the event loops."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import procwire
from procwire.own_process import FAST_LOOP

ROOT = Path(__file__).resolve().parent.parent
LOOPS = ["asyncio", FAST_LOOP]
if chosen := os.environ.get("TEST_LOOPS"):
    LOOPS = [name for name in LOOPS if name in chosen.split(",")]


def pytest_sessionstart(session: pytest.Session) -> None:
    """The wheel is tested, not the source tree, unless somebody is at work on the tree."""
    installed = Path(procwire.__file__).resolve().parent
    if installed == ROOT / "procwire" and os.environ.get("PROCWIRE_TEST_TREE") != "1":
        pytest.exit("procwire comes from the source tree; set PROCWIRE_TEST_TREE=1 to allow it", 3)
    # Under nohup the one is ignored, in the background of a script the other, and both would be by
    # the processes that are tested, which inherit that.
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    return f"procwire {procwire.__version__} from {Path(procwire.__file__).parent}"


@pytest.fixture(params=LOOPS)
def loop_name(request: pytest.FixtureRequest) -> str:
    """Each test that takes it runs on every loop."""
    return str(request.param)


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    """Bytes that the Node packages made."""
    text = (ROOT / "tests" / "vectors" / "node.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
