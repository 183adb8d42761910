"""Test a worker from Python: in the test's own process, or in one of its own.

:class:`TestParent` serves a client in the process and on the loop of the test, over a real
socket. :func:`declare` makes the module that drives the same client as a process.
"""

from procwire.testing.declaring import declare
from procwire.testing.parent import LeftBehindError, TestParent

__all__ = ["LeftBehindError", "TestParent", "declare"]
