"""Drive workers from Python: what ``@procwire/core`` is to Node.js.

:class:`Module` is a worker to be started: how, and which of its methods are called.
:class:`ModuleManager` starts it, watches it, starts it again, and ends it.  The bytes go through
the same compiled core as a worker's, where ``core/calls.pyx`` is this side's role.
"""

from procwire.errors import RemoteError, RequestTimeoutError
from procwire.parent.errors import SchemaError, SpawnError, WorkerLostError
from procwire.parent.manager import ModuleManager
from procwire.parent.module import Module
from procwire.parent.policy import Backoff, Heartbeat, SpawnPolicy
from procwire.parent.states import Change, State

__all__ = [
    "Backoff",
    "Change",
    "Heartbeat",
    "Module",
    "ModuleManager",
    "RemoteError",
    "RequestTimeoutError",
    "SchemaError",
    "SpawnError",
    "SpawnPolicy",
    "State",
    "WorkerLostError",
]
