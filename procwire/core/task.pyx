# A handler that never waits should not pay for a task, yet a handler must find itself in a real
# one from its first line: asyncio.timeout(), current_task() and cancellation depend on it.
#
# So there is one spare asyncio.Task, and the first step of each coroutine is taken by hand while
# this task is the loop's current one.
#
#   * The coroutine returns: the task has not been used and serves the next one.
#   * The coroutine suspends: the task becomes the coroutine's own.  Its own first step, taken
#     at once, finds what the coroutine is waiting for, and all goes on as usual.
#   * The coroutine returns, but somebody has kept, named, cancelled or otherwise touched the
#     task: it is finished as any task, and a new spare is made.  Nobody can tell that a task
#     has been shared.
#
# A task gives its first step to the loop when it is made.  That of a spare is caught on its way
# there: it is taken when it is known what for.
#
# Each coroutine has context variables of its own, entered around each of its steps.

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF

import asyncio
# The C classes themselves: some libraries put Python ones in their place.
from _asyncio import Task
from asyncio.tasks import _enter_task, _leave_task, _register_task, _unregister_task

cdef extern from "Python.h":
    # The error return carries an exception, which Cython raises.
    int PyIter_Send(object iterator, object value, PyObject **result) except -1
    object PyContext_Copy(object context)
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    Py_ssize_t Py_REFCNT(object obj)
    PyObject **PyObject_GET_WEAKREFS_LISTPTR(PyObject *obj)

    # How a C type stores an attribute and a method without arguments; both are called once per
    # request, and going through the attribute lookup would cost a tenth of it.
    ctypedef object (*getter)(object obj, void *closure)
    ctypedef object (*unary)(object obj, PyObject *ignored)
    ctypedef struct PyGetSetDef:
        getter get
        void *closure
    ctypedef struct PyGetSetDescrObject:
        PyGetSetDef *d_getset
    ctypedef struct PyMethodDef:
        unary ml_meth
        int ml_flags
    ctypedef struct PyMethodDescrObject:
        PyMethodDef *d_method
    int METH_NOARGS
    int Py_IS_TYPE(object obj, PyTypeObject *type)
    PyTypeObject PyGetSetDescr_Type
    PyTypeObject PyMethodDescr_Type

# What a coroutine's step returned that was the last one.
cdef object ENDED = object()
cdef object CancelledError = asyncio.CancelledError
cdef str TASK_NAME = "procwire-handler"


cdef object descriptor_of(type cls, str name):
    """What a class has under a name: since Python 3.14, a task's is a future's in part."""
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    raise TypeError(f"{cls.__qualname__} has no {name}")


cdef PyGetSetDef *attribute_of(type cls, str name) except NULL:
    descriptor = descriptor_of(cls, name)
    if not Py_IS_TYPE(descriptor, &PyGetSetDescr_Type):
        raise TypeError(f"{cls.__qualname__}.{name} is not implemented in C")
    return (<PyGetSetDescrObject *>descriptor).d_getset


cdef PyMethodDef *method_of(type cls, str name) except NULL:
    descriptor = descriptor_of(cls, name)
    if (not Py_IS_TYPE(descriptor, &PyMethodDescr_Type)
            or (<PyMethodDescrObject *>descriptor).d_method.ml_flags != METH_NOARGS):
        raise TypeError(f"{cls.__qualname__}.{name}() is not implemented in C")
    return (<PyMethodDescrObject *>descriptor).d_method


cdef PyGetSetDef *task_callbacks = attribute_of(Task, "_callbacks")
cdef PyGetSetDef *task_must_cancel = attribute_of(Task, "_must_cancel")
cdef PyMethodDef *task_get_name = method_of(Task, "get_name")


cdef inline PyObject *weak_references_of(object obj) noexcept:
    return PyObject_GET_WEAKREFS_LISTPTR(<PyObject *>obj)[0]


cdef class Owner:
    cdef int finished(self, object result) except -1:
        raise NotImplementedError

    cdef int failed(self, object error) except -1:
        raise NotImplementedError


cdef class TaskBody:
    """The coroutine that an ``asyncio.Task`` sees: it forwards to the handler's."""

    def __await__(self):
        return self

    def __next__(self):
        result = self.advance(None)
        if result is ENDED:
            # Standing here, it costs no exception.
            raise StopIteration
        return result

    def send(self, value):
        return self.__next__()

    def throw(self, error, value=None, traceback=None):
        result = self.advance(error)
        if result is ENDED:
            raise StopIteration
        return result

    def close(self):
        if self.coroutine is not None:
            self.coroutine.close()

    # What task.print_stack() and task.get_stack() look at.
    @property
    def cr_frame(self):
        return getattr(self.coroutine, "cr_frame", None)

    @property
    def cr_await(self):
        return getattr(self.coroutine, "cr_await", None)

    @property
    def cr_running(self):
        return getattr(self.coroutine, "cr_running", False)

    @property
    def __qualname__(self):
        return getattr(self.coroutine, "__qualname__", TASK_NAME)

    cdef object advance(self, object error):
        """One step of the coroutine; what it waits for, or ENDED."""
        cdef PyObject *yielded = NULL
        cdef Owner owner
        cdef object waiter
        cdef int status = STEP_RAISED
        if self.has_waiter:
            waiter = self.waiter
            self.waiter = None
            self.has_waiter = False
            # A task cancelled in its coroutine's first step: as asyncio does it, what is waited
            # for is cancelled, and the coroutine hears of it when that has happened.
            if error is None or (waiter is not None and waiter.cancel()):
                return waiter
        if self.coroutine is None:
            if error is not None:
                raise error
            return ENDED
        failure = result = None
        procwire_set_running(self.owner.request.key)
        PyContext_Enter(self.variables)
        try:
            if error is None:
                status = PyIter_Send(self.coroutine, None, &yielded)
                if yielded != NULL:
                    result = <object>yielded
                    Py_DECREF(result)
            else:
                result = self.coroutine.throw(error)
                status = STEP_SUSPENDED
        except StopIteration as stop:
            result = stop.value
            status = STEP_RETURNED
        except BaseException as raised:
            failure = raised
        finally:
            PyContext_Exit(self.variables)
            procwire_set_running(0)
        if status == STEP_SUSPENDED:
            return result
        owner = self.owner
        self.owner = self.coroutine = self.variables = None
        if status == STEP_RETURNED:
            owner.finished(result)
        else:
            owner.failed(failure)
            if isinstance(failure, CancelledError):
                raise failure
        return ENDED

    cdef int begin(self, object loop) except -1:
        """Let the task take its first step."""
        step = self.step
        if not self.listed:
            self.list_task()
        cancelled = self.cancelled()
        self.step = self.task = None
        if cancelled and self.coroutine is not None:
            # The coroutine hears of it in the next turn, as it would after any other await.
            loop.call_soon(step, context=self.callback_variables)
        else:
            step()
        return 0

    cdef int list_task(self) except -1:
        _register_task(self.task)
        self.task._log_destroy_pending = True
        self.listed = True
        return 0

    cdef int unlist_task(self) except -1:
        """Whoever waits for all tasks to end must not wait for one that has no work."""
        _unregister_task(self.task)
        self.task._log_destroy_pending = False
        self.listed = False
        return 0

    cdef bint untouched(self) except -1:
        """Whether nobody could tell if the task served somebody else from now on."""
        return (Py_REFCNT(self.task) == self.references
                and weak_references_of(self.task) == self.weak_references
                and task_callbacks.get(self.task, task_callbacks.closure) is None
                and task_get_name.ml_meth(self.task, NULL) is TASK_NAME
                and not self.cancelled())

    cdef bint cancelled(self) except -1:
        return task_must_cancel.get(self.task, task_must_cancel.closure) is True


cdef class Stage:
    """Where handlers' coroutines take their first step."""

    def __cinit__(self, loop, variables):
        self.loop = loop
        self.variables = variables

    cdef int first_step(self, object coroutine) except? -2:
        """Step a new coroutine inside the spare task.

        Returns how that went, with `result` or `error` set; after STEP_SUSPENDED and
        STEP_NOT_TAKEN, suspend() or run() must follow.
        """
        cdef PyObject *yielded = NULL
        cdef int status = STEP_RAISED
        if self.stepping:
            # A handler runs the loop from within its first step.
            return STEP_NOT_TAKEN
        if not self.entered:
            self.enter()
        self.result = self.error = None
        variables = PyContext_Copy(self.variables)
        self.stepping = True
        PyContext_Enter(variables)
        try:
            status = PyIter_Send(coroutine, None, &yielded)
        except BaseException as error:
            self.error = error
        PyContext_Exit(variables)
        self.stepping = False
        if yielded != NULL:
            self.result = <object>yielded
            Py_DECREF(self.result)
        if status == STEP_SUSPENDED:
            self.suspended_variables = variables
        elif not self.spare.untouched():
            self.retire()
        return status

    cdef int enter(self) except -1:
        """Make the spare task the loop's current one."""
        cdef TaskBody body = self.spare
        if body is not None and body.cancelled():
            # While it was waiting for work, as asyncio.run() does at its end.
            self.retire()
            body = None
        if body is None:
            body = self.spare = self.new_spare()
        _enter_task(self.loop, body.task)
        self.entered = True
        body.references = Py_REFCNT(body.task)
        body.weak_references = weak_references_of(body.task)
        return 0

    cdef TaskBody new_spare(self):
        """A task whose first step is not taken by the loop."""
        cdef TaskBody body = TaskBody()
        loop = self.loop
        call_soon = self.call_soon = loop.call_soon
        self.made = body
        body.callback_variables = PyContext_Copy(self.variables)
        loop.call_soon = self.catch_step
        try:
            body.task = Task(body, loop=loop, name=TASK_NAME, context=body.callback_variables)
        finally:
            del loop.call_soon
            if loop.call_soon != call_soon:
                # It was an attribute of its own before.
                loop.call_soon = call_soon
            self.made = self.call_soon = None
        body.listed = True
        return body

    def catch_step(self, callback, *args, context=None):
        """The loop's call_soon() while a spare is made."""
        if context is self.made.callback_variables:
            self.made.step = callback
            return None
        # Of somebody whom the garbage collector has called in between.
        return self.call_soon(callback, *args, context=context)

    cdef int leave(self) except -1:
        """The spare task is not the current one any more: code of others may run."""
        if self.entered:
            if not self.spare.untouched():
                return self.retire()
            self.step_out()
            if self.spare.listed:
                self.spare.unlist_task()
        return 0

    cdef int step_out(self) except -1:
        if self.entered:
            self.entered = False
            _leave_task(self.loop, self.spare.task)
        return 0

    cdef object suspend(self, object coroutine, Owner owner):
        """Give the coroutine that first_step() has just seen suspend the task it is in."""
        cdef TaskBody body = self.spare
        self.step_out()
        self.spare = None
        task = body.task
        body.coroutine = coroutine
        body.variables = self.suspended_variables
        body.owner = owner
        body.waiter = self.result
        body.has_waiter = True
        self.result = self.suspended_variables = None
        body.begin(self.loop)
        return task

    cdef object run(self, object coroutine, Owner owner):
        """Give a coroutine that has not been stepped an ordinary task."""
        cdef TaskBody body = TaskBody()
        body.coroutine = coroutine
        body.variables = PyContext_Copy(self.variables)
        body.owner = owner
        return Task(body, loop=self.loop, name=TASK_NAME)

    def close(self):
        """No further handler begins here; not to be called in a task."""
        self.retire()

    cdef int retire(self) except -1:
        """Let the spare task end as any task does."""
        cdef TaskBody body = self.spare
        self.step_out()
        self.spare = None
        if body is not None:
            body.begin(self.loop)
        return 0
