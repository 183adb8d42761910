# Short cuts around the event loop, from csrc.

from libc.stdint cimport int64_t


cdef extern from "procwire_socket.h" nogil:
    bint PROCWIRE_HAS_SOCKET_SHORTCUTS
    void procwire_set_send_buffer(int fd, int size)
    Py_ssize_t procwire_receive_soon(int fd, void *data, size_t size, int64_t ns)
    bint procwire_hung_up(int fd)
    Py_ssize_t procwire_send(int fd, const void *data, size_t size)
