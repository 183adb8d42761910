#ifndef _WIN32

#include "procwire_socket_file.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Longer than any address of a Unix socket. */
enum { PATH_SIZE = 128 };

/* Signal handlers read it, in any thread, so nothing is allocated and nothing locked.  Written
 * under Python's lock. */
static struct {
    atomic_int guarded;
    pid_t process;
    uint64_t device;
    uint64_t inode;
    int made_directory;
    char path[PATH_SIZE];
    char directory[PATH_SIZE];
} file;

void procwire_socket_file_remove(void) {
    struct stat status;
    int before = errno;
    if (atomic_load(&file.guarded) && getpid() == file.process &&
        lstat(file.path, &status) == 0 && (uint64_t)status.st_dev == file.device &&
        (uint64_t)status.st_ino == file.inode) {
        unlink(file.path);
        if (file.made_directory)
            rmdir(file.directory);
    }
    errno = before;
}

/* Faults: whoever handles them does so to say what has happened, and ends the process then. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
/* What else ends a process that has no handler for it.  One that has, goes on. */
static const int ends[] = {SIGTERM, SIGHUP,  SIGINT,    SIGQUIT, SIGUSR1, SIGUSR2,
                           SIGALRM, SIGXCPU, SIGVTALRM, SIGPROF, SIGXFSZ};

static struct sigaction previous[NSIG];

static void remove_first(int number) {
    procwire_socket_file_remove();
    /* To whoever it would have gone to, as soon as this function has returned. */
    sigaction(number, &previous[number], NULL);
    raise(number);
}

static void take(int number, int chained) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler == remove_first)
        return;
    int has_handler = action.sa_flags & SA_SIGINFO || action.sa_handler != SIG_DFL;
    if (has_handler && (!chained || action.sa_handler == SIG_IGN))
        return;
    previous[number] = action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = remove_first;
    action.sa_flags = SA_ONSTACK;
    sigaction(number, &action, NULL);
}

static void give_back(int number) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
        action.sa_handler == remove_first)
        sigaction(number, &previous[number], NULL);
}

int procwire_socket_file_guard(const char *path, uint64_t device, uint64_t inode,
                               const char *directory) {
    if (strlen(path) >= PATH_SIZE || (directory != NULL && strlen(directory) >= PATH_SIZE))
        return ENAMETOOLONG;
    atomic_store(&file.guarded, 0);
    file.process = getpid();
    file.device = device;
    file.inode = inode;
    file.made_directory = directory != NULL;
    strcpy(file.path, path);
    strcpy(file.directory, directory != NULL ? directory : "");
    atomic_store(&file.guarded, 1);
    for (size_t i = 0; i < COUNT(faults); i++)
        take(faults[i], 1);
    for (size_t i = 0; i < COUNT(ends); i++)
        take(ends[i], 0);
    return 0;
}

void procwire_socket_file_forget(uint64_t device, uint64_t inode) {
    if (!atomic_load(&file.guarded) || file.device != device || file.inode != inode)
        return;
    atomic_store(&file.guarded, 0);
    for (size_t i = 0; i < COUNT(faults); i++)
        give_back(faults[i]);
    for (size_t i = 0; i < COUNT(ends); i++)
        give_back(ends[i]);
}

#endif
