"""Fixtures for tests of procwire workers; loaded by pytest itself.

Say which client is tested, in ``pyproject.toml``::

    [tool.pytest.ini_options]
    procwire_client = "worker:client"

with ``@pytest.mark.procwire("worker:client")``, or by a fixture ``procwire_client`` of your own.
Then ``procwire_parent`` calls it in the test's process, ``procwire_process`` in one of its own.

pytest imports this module in every suite of an environment that has procwire. So it is no part of
the package, and imports nothing of it until a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from procwire import Client
    from procwire.testing import BlockingParent
    from procwire.testing.caller import Caller

__all__ = ["procwire_client", "procwire_parent", "procwire_process", "procwire_target"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("procwire_client", "the client under test, as module:name", default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "procwire(target): the client under test, as module:name; see procwire_parent"
    )


@pytest.fixture
def procwire_target(request: pytest.FixtureRequest) -> str:
    """Where the client under test is: what the marker says, or else the ini option."""
    marker = request.node.get_closest_marker("procwire")
    if marker is not None:
        if len(marker.args) != 1 or marker.kwargs or not isinstance(marker.args[0], str):
            pytest.fail('write @pytest.mark.procwire("module:client")', pytrace=False)
        return str(marker.args[0])
    target = str(request.config.getini("procwire_client"))
    if not target:
        pytest.fail(
            'which client is tested? Say @pytest.mark.procwire("module:client"), procwire_client '
            "= module:client in the ini file; procwire_parent also takes a fixture procwire_client",
            pytrace=False,
        )
    return target


@pytest.fixture
def procwire_client(procwire_target: str) -> Client:
    """The client under test; override it with your own."""
    from procwire.cli.target import load

    return load(procwire_target)


@pytest.fixture
def procwire_parent(
    procwire_client: Client, request: pytest.FixtureRequest
) -> Iterator[BlockingParent]:
    """Calls the client, which is served in this process.

    After the test, a request that has no answer and a task that a handler has left behind are
    errors.
    """
    from procwire.testing import TestParent

    yield from _serve(TestParent(procwire_client), request)


@pytest.fixture
def procwire_process(
    procwire_target: str, request: pytest.FixtureRequest
) -> Iterator[BlockingParent]:
    """Calls the client, which is served by a process of its own.

    After the test, a request that has no answer is an error.
    """
    from procwire.testing import TestProcess

    yield from _serve(TestProcess(procwire_target), request)


class _TestFailedError(Exception):
    pass


def _serve(caller: Caller, request: pytest.FixtureRequest) -> Iterator[BlockingParent]:
    from procwire.testing import BlockingParent

    failures = request.session.testsfailed
    with suppress(_TestFailedError), BlockingParent(caller) as parent:
        yield parent
        if request.session.testsfailed > failures:
            # What it has left behind is a consequence.
            raise _TestFailedError
