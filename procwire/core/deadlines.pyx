# How long a method's requests may take.
#
# A limit is the same for all requests of a method, so what begins first is over first: a queue and
# one timer for its head are enough.  Most requests end long before their time.  They cost an entry
# that is taken out again, and no timer of their own.

from collections import OrderedDict


cdef class Expirable:
    cdef int expire(self) except -1:
        raise NotImplementedError


cdef class Deadline:
    """When a request is given up, wherever it is by then."""


cdef class Deadlines:
    """Those requests of a method that have a deadline before them."""

    def __cinit__(self, double limit):
        self.limit = limit
        self.pending = OrderedDict()

    cdef Deadline add(self, object loop, Expirable owner):
        """Have `owner` told after the time limit, unless its deadline is discarded before."""
        cdef Deadline deadline = Deadline()
        deadline.at = loop.time() + self.limit
        deadline.owner = owner
        self.pending[deadline] = None
        if self.timer is None:
            self.loop = loop
            self.wait_for(deadline)
        return deadline

    cdef int discard(self, Deadline deadline) except -1:
        # The timer stays: it looks again when it is called.
        self.pending.pop(deadline, None)
        deadline.owner = None
        return 0

    cdef int clear(self) except -1:
        self.pending.clear()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        return 0

    def wait_for(self, Deadline deadline):
        self.timer = self.loop.call_at(deadline.at, self.expire_due)

    def expire_due(self):
        cdef Deadline deadline
        cdef Expirable owner
        cdef double now = self.loop.time()
        self.timer = None
        try:
            while self.pending:
                deadline = next(iter(self.pending))
                if deadline.at > now:
                    break
                del self.pending[deadline]
                owner = deadline.owner
                deadline.owner = None
                owner.expire()
        finally:
            if self.pending and self.timer is None:
                self.wait_for(next(iter(self.pending)))
