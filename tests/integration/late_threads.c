/* Preloaded into a worker: as soon as a file exists, threads begin a second late, as they do on a
 * machine that stands still meanwhile. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

typedef void *(*function)(void *);
typedef int (*creator)(pthread_t *, const pthread_attr_t *, function, void *);
typedef struct {
    function start;
    void *argument;
} task;

static void *begin_late(void *argument) {
    task it = *(task *)argument;
    free(argument);
    sleep(1);
    return it.start(it.argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, function start,
                   void *argument) {
    creator create = (creator)dlsym(RTLD_NEXT, "pthread_create");
    const char *file = getenv("THREADS_ARE_LATE_ONCE_THERE_IS");
    task *late = malloc(sizeof *late);
    if (file == NULL || access(file, F_OK) != 0 || late == NULL) {
        free(late);
        return create(thread, attributes, start, argument);
    }
    late->start = start;
    late->argument = argument;
    return create(thread, attributes, begin_late, late);
}
