# What removes the socket's file when nothing else can.

from libc.stdint cimport uint64_t


cdef extern from "procwire_socket_file.h" nogil:
    int procwire_socket_file_guard(const char *path, uint64_t device, uint64_t inode,
                                   const char *directory)
    void procwire_socket_file_forget(uint64_t device, uint64_t inode)


def guard_socket_file(bytes path not None, uint64_t device, uint64_t inode, bytes directory):
    """Remove a file, and a directory made for it, when a signal ends this process."""
    cdef const char *made = NULL
    if directory is not None:
        made = directory
    check_errno(procwire_socket_file_guard(path, device, inode, made))


def forget_socket_file(uint64_t device, uint64_t inode):
    """It has been removed."""
    procwire_socket_file_forget(device, inode)
