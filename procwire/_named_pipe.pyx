# Named pipes of Windows, for Python: what csrc/procwire_pipe.h says.  A module of its own, since no
# other system has it.

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Free
from libc.stdint cimport intptr_t


cdef extern from "Python.h":
    ctypedef Py_ssize_t wchar_t
    wchar_t *PyUnicode_AsWideCharString(object text, Py_ssize_t *size) except NULL
    object PyErr_SetFromWindowsErr(int error)


cdef extern from "procwire_pipe.h" nogil:
    ctypedef struct procwire_pipe:
        pass

    unsigned long procwire_pipe_offer(
        const wchar_t *name, int first, intptr_t bell, procwire_pipe **pipe)
    unsigned long procwire_pipe_open(const wchar_t *name, intptr_t bell, procwire_pipe **pipe)
    unsigned long procwire_pipe_begin_accept(procwire_pipe *pipe)
    unsigned long procwire_pipe_begin_wait(procwire_pipe *pipe)
    unsigned long procwire_pipe_waited(procwire_pipe *pipe)
    unsigned long procwire_pipe_read(
        procwire_pipe *pipe, void *data, size_t size, size_t *count)
    bint procwire_pipe_hung_up(procwire_pipe *pipe)
    unsigned long procwire_pipe_begin_write(procwire_pipe *pipe, const void *data, size_t size)
    unsigned long procwire_pipe_written(procwire_pipe *pipe)
    void procwire_pipe_close(procwire_pipe *pipe)


cdef extern from "windows.h" nogil:
    const unsigned long ERROR_IO_INCOMPLETE
    const unsigned long ERROR_BROKEN_PIPE
    const unsigned long ERROR_NO_DATA
    const unsigned long ERROR_PIPE_NOT_CONNECTED

__all__ = ["NamedPipe"]


cdef int check(unsigned long error) except -1:
    if error:
        PyErr_SetFromWindowsErr(<int>error)
    return 0


cdef bint at_end(unsigned long error) noexcept:
    """Whether an error says that the other end is closed."""
    return error in (ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED)


cdef class NamedPipe:
    """One end of a byte-mode pipe, for the thread of one event loop."""

    cdef procwire_pipe *pipe
    # What is being written; it must stay where it is.
    cdef Py_buffer writing
    cdef bint holds_buffer

    @staticmethod
    def offer(str name not None, bint first, intptr_t bell):
        """An instance of a pipe of this user's, for whoever connects next."""
        cdef NamedPipe self = NamedPipe.__new__(NamedPipe)
        cdef wchar_t *text = PyUnicode_AsWideCharString(name, NULL)
        try:
            check(procwire_pipe_offer(text, first, bell, &self.pipe))
        finally:
            PyMem_Free(text)
        return self

    @staticmethod
    def open(str name not None, intptr_t bell):
        """Connect to a pipe."""
        cdef NamedPipe self = NamedPipe.__new__(NamedPipe)
        cdef wchar_t *text = PyUnicode_AsWideCharString(name, NULL)
        try:
            check(procwire_pipe_open(text, bell, &self.pipe))
        finally:
            PyMem_Free(text)
        return self

    def begin_accept(self):
        """Wait for whoever connects; the bell rings, and waited() tells."""
        self.check_open()
        check(procwire_pipe_begin_accept(self.pipe))

    def begin_wait(self):
        """Wait for something to read, or for the end; the bell rings, and waited() tells."""
        cdef unsigned long error
        self.check_open()
        error = procwire_pipe_begin_wait(self.pipe)
        # The end is what waited() says as well.
        if not at_end(error):
            check(error)

    def waited(self):
        """Whether what was waited for has come; EOFError when the other end is closed."""
        cdef unsigned long error
        self.check_open()
        error = procwire_pipe_waited(self.pipe)
        if error == ERROR_IO_INCOMPLETE:
            return False
        if at_end(error):
            raise EOFError
        check(error)
        return True

    def read_into(self, buffer):
        """Take what there is; how many bytes it was, 0 for none. EOFError at the end."""
        cdef Py_buffer view
        cdef size_t count
        cdef unsigned long error
        self.check_open()
        PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        try:
            error = procwire_pipe_read(self.pipe, view.buf, <size_t>view.len, &count)
        finally:
            PyBuffer_Release(&view)
        if at_end(error):
            raise EOFError
        check(error)
        return count

    def hung_up(self):
        """Whether the other end is closed, whatever there is to be read before that."""
        self.check_open()
        return procwire_pipe_hung_up(self.pipe)

    def begin_write(self, data):
        """Write all of it; the bell rings if that takes time, and written() tells."""
        cdef unsigned long error
        self.check_open()
        self.drop_buffer()
        PyObject_GetBuffer(data, &self.writing, PyBUF_SIMPLE)
        self.holds_buffer = True
        error = procwire_pipe_begin_write(
            self.pipe, self.writing.buf, <size_t>self.writing.len)
        if error:
            self.drop_buffer()
            check(error)

    def written(self):
        """Whether all has been taken; OSError when the other end is closed."""
        cdef unsigned long error
        self.check_open()
        error = procwire_pipe_written(self.pipe)
        if error == ERROR_IO_INCOMPLETE:
            return False
        self.drop_buffer()
        check(error)
        return True

    def close(self):
        """End what goes on and close it; what has been written can still be read."""
        cdef procwire_pipe *pipe = self.pipe
        self.pipe = NULL
        if pipe != NULL:
            with nogil:
                procwire_pipe_close(pipe)
        self.drop_buffer()

    def __dealloc__(self):
        if self.pipe != NULL:
            procwire_pipe_close(self.pipe)
        self.drop_buffer()

    cdef int check_open(self) except -1:
        if self.pipe == NULL:
            raise ValueError("the pipe is closed")
        return 0

    cdef int drop_buffer(self) noexcept:
        if self.holds_buffer:
            self.holds_buffer = False
            PyBuffer_Release(&self.writing)
        return 0
