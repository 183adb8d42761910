# Requests that have been read and not begun, because enough others are under way.
#
# There are two kinds of queue.  In the connection's own wait those that came when the connection
# was at one of its limits, whatever their method.  A request gets past it in its turn, and when its
# method is at a limit of the method's own, waits in the method's queue, where it is in nobody's way.
# So requests of a method begin in the order in which they came, and those behind a method that is
# full overtake its.
#
# What all of them hold together is bounded by whoever adds them: nothing is read any more.

from collections import OrderedDict, deque

# What a waiting request holds besides its payload, about.
cdef Py_ssize_t WAITING_OVERHEAD = 256


cdef class Waiting(Expirable):
    """A request that has been read and not begun."""

    cdef int expire(self) except -1:
        return self.connection.give_up_waiting(self)


cdef class WaitingRoom:
    """Every request that waits, and which of them is next."""

    def __cinit__(self):
        self.queue = OrderedDict()
        self.runnable = deque()
        self.by_id = {}

    cdef int add(self, Waiting waiting, bint for_connection) except -1:
        waiting.queue = self.queue if for_connection else waiting.method.queue
        waiting.queue[waiting] = None
        if waiting.request_id:
            self.by_id[waiting.request_id] = waiting
        self.count += 1
        self.size += len(waiting.payload) + WAITING_OVERHEAD
        return 0

    cdef Waiting next(self):
        """Take out the request that may begin now; None when all wait for their methods."""
        cdef Waiting waiting
        cdef Method method
        # They have got past the connection's queue before whoever is in it now.
        while self.runnable:
            method = self.runnable.popleft()
            method.runnable = False
            if not method.queue or method.is_full():
                continue
            waiting = next(iter(method.queue))
            self.remove(waiting)
            # Behind the others that are: its next one, if there still is room then.
            self.method_ended(method)
            return waiting
        while self.queue:
            waiting = next(iter(self.queue))
            method = waiting.method
            if not method.queue and not method.is_full():
                self.remove(waiting)
                return waiting
            del self.queue[waiting]
            waiting.queue = method.queue
            method.queue[waiting] = None
        return None

    cdef int remove(self, Waiting waiting) except -1:
        del waiting.queue[waiting]
        if waiting.request_id:
            del self.by_id[waiting.request_id]
        self.count -= 1
        self.size -= len(waiting.payload) + WAITING_OVERHEAD
        return 0

    cdef int method_ended(self, Method method) except -1:
        """One of the method's handlers has ended, or has been taken into account."""
        if method.queue and not method.runnable:
            method.runnable = True
            self.runnable.append(method)
        return 0

    cdef bint has_work(self) except -1:
        """Whether a request might begin as far as methods are concerned."""
        return len(self.queue) > 0 or len(self.runnable) > 0

    cdef int clear(self, list methods) except -1:
        """Nobody asks for any of them any more."""
        cdef Method method
        cdef Waiting waiting
        for waiting in self.queue:
            waiting.method.aborted += 1
        for method in methods[1:]:
            method.aborted += len(method.queue)
            method.queue.clear()
        self.queue.clear()
        self.runnable.clear()
        self.by_id.clear()
        self.count = self.size = 0
        return 0
