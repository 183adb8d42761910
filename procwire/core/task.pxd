# Handlers' coroutines inside real asyncio tasks, with the first step taken at once.

from cpython.object cimport PyObject


cdef class Owner(Expirable):
    """Whoever a coroutine is run for: told once how it ended."""

    # For the watcher's reports: what is being run, a member of a list while it is under way.
    cdef procwire_request request

    cdef int finished(self, object result) except -1
    cdef int failed(self, object error) except -1


cdef class TaskBody:
    # What asyncio.Task drives in the handler's place.  While it is a spare:
    cdef object task
    # What the task would have given to the loop: called once, it takes the task's first step.
    cdef object step
    # contextvars.Context that the task's callbacks are called in.
    cdef object callback_variables
    # Whether asyncio.all_tasks() knows the task.
    cdef bint listed
    # What the task looks like from the moment when it becomes the current one, as long as nobody
    # but the stage has touched it.
    cdef Py_ssize_t references
    cdef PyObject *weak_references

    # The handler's coroutine and the context variables it runs with; None while spare.
    cdef object coroutine
    cdef object variables
    cdef Owner owner
    # What the coroutine was waiting for when it suspended in its first step: the task is told in
    # its own first step.
    cdef object waiter
    cdef bint has_waiter

    cdef object advance(self, object error)
    cdef int begin(self, object loop) except -1
    cdef int list_task(self) except -1
    cdef int unlist_task(self) except -1
    cdef bint untouched(self) except -1
    cdef bint cancelled(self) except -1


cdef class Stage:
    cdef object loop
    # contextvars.Context that every handler starts with a copy of.
    cdef object variables
    cdef TaskBody spare
    # While a spare is made: the spare, and the call_soon() whose place catch_step() takes.
    cdef TaskBody made
    cdef object call_soon
    # Whether the spare body's task is the loop's current task.
    cdef bint entered
    # Whether a coroutine is taking its first step.
    cdef bint stepping

    # How the last first_step() ended.
    cdef object result
    cdef object error
    cdef object suspended_variables

    cdef TaskBody new_spare(self)
    cdef int first_step(self, object coroutine) except? -2
    cdef int enter(self) except -1
    cdef int leave(self) except -1
    cdef int step_out(self) except -1
    cdef object suspend(self, object coroutine, Owner owner)
    cdef object run(self, object coroutine, Owner owner)
    cdef int retire(self) except -1


cdef enum:
    # PySendResult
    STEP_RETURNED = 0
    STEP_RAISED = -1
    STEP_SUSPENDED = 1
    # The coroutine has not been stepped.
    STEP_NOT_TAKEN = 2
