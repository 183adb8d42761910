/*
 * What the C files need of every operating system, under one name: locks and the clock.
 */
#ifndef PROCWIRE_PLATFORM_H
#define PROCWIRE_PLATFORM_H

#include <stdint.h>

#ifdef _WIN32

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
/* First, since windows.h would bring its predecessor along. */
#include <winsock2.h>

#include <windows.h>

typedef SRWLOCK procwire_lock;
#define PROCWIRE_LOCK_INITIALIZER SRWLOCK_INIT

static inline void procwire_acquire(procwire_lock *lock) {
    AcquireSRWLockExclusive(lock);
}

static inline int procwire_try_acquire(procwire_lock *lock) {
    return TryAcquireSRWLockExclusive(lock);
}

static inline void procwire_release(procwire_lock *lock) {
    ReleaseSRWLockExclusive(lock);
}

/* Nanoseconds on a clock that only goes forward. */
static inline int64_t procwire_now(void) {
    LARGE_INTEGER frequency, count;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    int64_t seconds = count.QuadPart / frequency.QuadPart;
    int64_t rest = count.QuadPart % frequency.QuadPart;
    return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}

#else

#include <pthread.h>
#include <time.h>

typedef pthread_mutex_t procwire_lock;
#define PROCWIRE_LOCK_INITIALIZER PTHREAD_MUTEX_INITIALIZER

static inline void procwire_acquire(procwire_lock *lock) {
    pthread_mutex_lock(lock);
}

static inline int procwire_try_acquire(procwire_lock *lock) {
    return pthread_mutex_trylock(lock) == 0;
}

static inline void procwire_release(procwire_lock *lock) {
    pthread_mutex_unlock(lock);
}

/* Nanoseconds on a clock that only goes forward. */
static inline int64_t procwire_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

#endif

#endif /* PROCWIRE_PLATFORM_H */
