# How long a method's requests may take.
#
# A limit is the same for all requests of a method, so what begins first is over first: a queue and
# one timer for its head are enough.  Most requests end long before their time.  They cost an entry
# that is taken out again, and no timer of their own.


cdef class Expirable:
    cdef int expire(self) except -1:
        raise NotImplementedError


cdef class Deadline:
    """When a request is given up, wherever it is by then."""


cdef class Deadlines:
    """Those requests of a method that have a deadline before them."""

    def __cinit__(self, double limit):
        self.limit = limit

    cdef Deadline add(self, object loop, Expirable owner):
        """Have `owner` told after the time limit, unless its deadline is discarded before."""
        cdef Deadline deadline = Deadline()
        deadline.at = loop.time() + self.limit
        deadline.owner = owner
        deadline.pending = True
        deadline.earlier = self.last
        if self.last is None:
            self.first = deadline
        else:
            self.last.later = deadline
        self.last = deadline
        if self.timer is None:
            self.loop = loop
            self.wait_for(deadline)
        return deadline

    cdef int take_out(self, Deadline deadline) except -1:
        if deadline.earlier is None:
            self.first = deadline.later
        else:
            deadline.earlier.later = deadline.later
        if deadline.later is None:
            self.last = deadline.earlier
        else:
            deadline.later.earlier = deadline.earlier
        deadline.earlier = deadline.later = None
        deadline.pending = False
        return 0

    cdef int discard(self, Deadline deadline) except -1:
        # The timer stays: it looks again when it is called.
        if deadline.pending:
            self.take_out(deadline)
        deadline.owner = None
        return 0

    cdef int clear(self) except -1:
        while self.first is not None:
            self.take_out(self.first)
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
            while self.first is not None:
                deadline = self.first
                if deadline.at > now:
                    break
                self.take_out(deadline)
                owner = deadline.owner
                deadline.owner = None
                owner.expire()
        finally:
            if self.first is not None and self.timer is None:
                self.wait_for(self.first)
