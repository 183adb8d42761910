/* The socket's file, from listening until the parent has connected: removed even when the process
 * ends by a signal that nobody handles. */
#ifndef PROCWIRE_SOCKET_FILE_H
#define PROCWIRE_SOCKET_FILE_H

#include <stdint.h>

#ifdef _WIN32

/* A named pipe has no file. */
static inline int procwire_socket_file_guard(const char *path, uint64_t device, uint64_t inode,
                                             const char *directory) {
    (void)path, (void)device, (void)inode, (void)directory;
    return 0;
}

static inline void procwire_socket_file_forget(uint64_t device, uint64_t inode) {
    (void)device, (void)inode;
}

static inline void procwire_socket_file_remove(void) {
}

#else

/* Guard a file, as long as it is the one with these numbers, and a directory made for it, or NULL.
 * Only in this process, not in its children.  One file is guarded at a time: the newest.  Returns
 * 0, or ENAMETOOLONG. */
int procwire_socket_file_guard(const char *path, uint64_t device, uint64_t inode,
                               const char *directory);

/* It has been removed: signals do again what they did before. */
void procwire_socket_file_forget(uint64_t device, uint64_t inode);

/* Remove the guarded file, if there is one.  May be called in signal handlers. */
void procwire_socket_file_remove(void);

#endif
#endif /* PROCWIRE_SOCKET_FILE_H */
