# Handlers' coroutines inside real asyncio tasks, with the first step taken at once.

from cpython.object cimport PyObject


cdef class Owner:
    """Whoever a coroutine is run for: told once how it ended."""

    cdef int finished(self, object result) except -1
    cdef int failed(self, object error) except -1


cdef class TaskBody:
    # What asyncio.Task drives in the handler's place.  Spare until a handler suspends in it.
    cdef object task
    # How and in which context the task wants its first step to be called.
    cdef object step_callback
    cdef object step_context
    # What the task looks like when nobody but the stage has touched it.
    cdef Py_ssize_t references
    cdef PyObject *weak_references

    # The handler's coroutine and the context variables it runs with; None while spare.
    cdef object coroutine
    cdef object variables
    cdef Owner owner
    # What the coroutine was waiting for when it suspended in its first step: the task is told
    # when its own first step comes.
    cdef object waiter
    cdef bint has_waiter

    cdef object advance(self, object error)
    cdef bint untouched(self) except -1
    cdef int schedule(self, object loop) except -1


cdef class Stage:
    cdef object loop
    # contextvars.Context that every handler starts with a copy of.
    cdef object variables
    cdef TaskBody spare
    # Whether the spare body's task is the loop's current task.
    cdef bint entered
    cdef bint stepping
    # The loop has no instance dictionary: its tasks cannot be started by hand.
    cdef bint plain

    # How the last first_step() ended.
    cdef object result
    cdef object error
    cdef object _variables

    cdef int first_step(self, object coroutine) except? -2
    cdef object suspend(self, object coroutine, Owner owner)
    cdef object run(self, object coroutine, Owner owner)
    cdef int leave(self) except -1
    cdef int close(self) except -1
    cdef TaskBody _new_body(self)


cdef enum:
    # PySendResult
    STEP_RETURNED = 0
    STEP_RAISED = -1
    STEP_SUSPENDED = 1
    # The coroutine has not been stepped.
    STEP_NOT_TAKEN = 2
