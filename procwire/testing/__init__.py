"""Test a worker from Python: in the test's own process, or in one of its own.

:class:`TestParent` serves a client in the process and on the loop of the test, over a real
socket. :class:`TestProcess` starts it as a process. :class:`BlockingParent` is for tests that are
no coroutines. :func:`declare` makes the module that drives a client, for a manager of your own.
The fixtures of the pytest plugin are in :mod:`pytest_procwire`.
"""

from procwire.testing.blocking import BlockingParent
from procwire.testing.caller import LeftBehindError
from procwire.testing.declaring import declare
from procwire.testing.parent import TestParent
from procwire.testing.process import TestProcess

__all__ = ["BlockingParent", "LeftBehindError", "TestParent", "TestProcess", "declare"]
