"""The pytest plugin, in suites of its users."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

INSTALLED = "procwire" in {plugin.name for plugin in metadata.entry_points(group="pytest11")}
"""In a source tree that is not installed nobody tells pytest of it."""

WORKER = """
import asyncio, os
from procwire import Client

client = Client().event("told")
left = []

@client.handle
async def add(data):
    return data["a"] + data["b"]

@client.handle
def count(to):
    yield from range(to)

@client.handle
async def tell(data):
    await client.emit("told", data)

@client.handle
async def leak(data):
    left.append(asyncio.create_task(asyncio.sleep(3600)))

@client.handle
async def pid(data):
    return os.getpid()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's project: a worker, and the configuration that names it."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    # The plugins of this suite's environment take seconds to load.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(worker=WORKER)
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers\npythonpath = .\nfilterwarnings = error\n"
        "procwire_client = worker:client\n"
    )
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    plugin = "procwire" if INSTALLED else "pytest_procwire"
    return suite.runpytest_subprocess("-p", "no:cacheprovider", "-p", plugin, *arguments)


def test_plain_functions(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import os
        import pytest

        def test_in_process(procwire_parent):
            assert procwire_parent.send("add", {"a": 1, "b": 2}) == 3
            assert list(procwire_parent.stream("count", 3)) == [0, 1, 2]
            procwire_parent.send("tell", "x")
            assert procwire_parent.next_event("told", timeout=10) == "x"
            assert procwire_parent.send("pid") == os.getpid()

        def test_again(procwire_parent, procwire_client):
            assert procwire_client.connected
            assert procwire_parent.send("add", {"a": "x", "b": "y"}) == "xy"

        def test_as_a_process(procwire_process):
            assert procwire_process.send("add", {"a": 1, "b": 2}) == 3
            assert procwire_process.send("pid") != os.getpid()
        """
    )
    run(suite).assert_outcomes(passed=3)


def test_a_client_of_the_suite_and_of_a_marker(suite: pytest.Pytester) -> None:
    suite.makepyfile(other=WORKER.replace("+", "-"))
    suite.makepyfile(
        """
        import pytest
        from procwire import Client

        @pytest.mark.procwire("other:client")
        @pytest.mark.parametrize("fixture", ["procwire_parent", "procwire_process"])
        def test_the_marker(fixture, request):
            assert request.getfixturevalue(fixture).send("add", {"a": 1, "b": 2}) == -1

        class TestMine:
            @pytest.fixture
            def procwire_client(self):
                return Client().handle("mine", lambda data: data)

            def test_it(self, procwire_parent):
                assert procwire_parent.send("mine", 1) == 1
        """
    )
    run(suite).assert_outcomes(passed=3)


def test_what_is_left_behind_is_an_error(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        kept = []

        def test_a_task(procwire_parent):
            procwire_parent.send("leak")

        def test_a_request(procwire_parent):
            kept.append(procwire_parent.stream("count", 1_000_000))
            next(kept[-1])

        def test_a_request_to_a_process(procwire_process):
            kept.append(procwire_process.stream("count", 1_000_000))
            next(kept[-1])

        def test_that_fails_anyway(procwire_parent):
            procwire_parent.send("leak")
            assert False
        """
    )
    result = run(suite)
    result.assert_outcomes(passed=3, errors=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*LeftBehindError: tasks of handlers still run: *sleep*, made by 'leak' (request 1)",
            "*LeftBehindError: requests have not been answered: 'count' (request 1)",
            "*LeftBehindError: requests have not been answered: 'count' (request 1)",
        ]
    )


def test_what_is_left_behind_fails_an_async_test(suite: pytest.Pytester) -> None:
    pytest.importorskip("anyio")
    suite.makepyfile(
        """
        import pytest
        from procwire.testing import TestParent
        from worker import client

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def test_it():
            async with TestParent(client) as parent:
                await parent.send("leak")
        """
    )
    result = run(suite, "-p", "anyio.pytest_plugin")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*LeftBehindError: *, made by 'leak' (request 1)"])


def test_no_client(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\naddopts = --strict-markers\n")
    suite.makepyfile(
        """
        import pytest

        def test_nothing(procwire_parent):
            pass

        @pytest.mark.procwire
        def test_an_empty_marker(procwire_parent):
            pass
        """
    )
    result = run(suite)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["which client is tested? *", "write @pytest.mark.procwire(*"])


def test_with_pytest_asyncio(suite: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio")
    suite.makepyfile(
        """
        import asyncio
        import pytest
        import pytest_asyncio
        from procwire.testing import TestParent
        from worker import client

        @pytest_asyncio.fixture
        async def parent():
            async with TestParent(client) as parent:
                yield parent

        @pytest.mark.asyncio
        async def test_a_fixture_of_the_suite(parent):
            answers = await asyncio.gather(
                *(parent.send("add", {"a": n, "b": n}) for n in range(3))
            )
            assert answers == [0, 2, 4]
            assert [n async for n in parent.stream("count", 3)] == [0, 1, 2]

        @pytest.mark.asyncio
        async def test_that_blocks(procwire_parent):
            assert procwire_parent.send("add", {"a": 1, "b": 2}) == 3

        @pytest.mark.asyncio
        async def test_that_leaves_something_behind(parent):
            await parent.send("leak")
        """
    )
    scope = "asyncio_default_fixture_loop_scope=function"
    result = run(suite, "-p", "pytest_asyncio.plugin", "-o", scope)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*LeftBehindError: *, made by 'leak' (request 1)"])


def test_with_anyio(suite: pytest.Pytester) -> None:
    pytest.importorskip("anyio")
    suite.makepyfile(
        """
        import pytest
        from procwire.testing import TestParent
        from worker import client

        pytestmark = pytest.mark.anyio

        @pytest.fixture(scope="module")
        def anyio_backend():
            return "asyncio"

        @pytest.fixture
        async def parent(anyio_backend):
            async with TestParent(client) as parent:
                yield parent

        async def test_a_fixture_of_the_suite(parent):
            assert await parent.send("add", {"a": 1, "b": 2}) == 3

        async def test_that_blocks(procwire_parent):
            assert procwire_parent.send("add", {"a": 1, "b": 2}) == 3
        """
    )
    run(suite, "-p", "anyio.pytest_plugin").assert_outcomes(passed=2)


def test_suites_that_do_not_use_it_do_not_import_procwire(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import sys

        def test_it():
            assert "pytest_procwire" in sys.modules
            assert [name for name in sys.modules if name.startswith("procwire")] == []
        """
    )
    run(suite).assert_outcomes(passed=1)


def test_the_entry_point() -> None:
    """Of the installed package; `python -m procwire` needs no pytest."""
    if not INSTALLED:
        pytest.skip("the source tree is tested, not a wheel")
    (plugin,) = metadata.entry_points(group="pytest11", name="procwire")
    assert plugin.value == "pytest_procwire"
    code = "import procwire.testing, sys; sys.exit('pytest' in sys.modules)"
    subprocess.run([sys.executable, "-P", "-c", code], check=True, cwd=Path.home())
