/*
 * A word of 64 bits that one thread writes and others read, without a lock: whoever reads has what
 * was there before, or what is there now.
 */
#ifndef PROCWIRE_WORD_H
#define PROCWIRE_WORD_H

#include <stdint.h>

#ifdef _MSC_VER

/* Aligned words of 64 bits are read and written at once on the machines that there are wheels
 * for. */
static inline uint64_t procwire_load(const uint64_t *word) {
    return *(const volatile uint64_t *)word;
}

static inline void procwire_store(uint64_t *word, uint64_t value) {
    *(volatile uint64_t *)word = value;
}

#else

static inline uint64_t procwire_load(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static inline void procwire_store(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

#endif

#endif /* PROCWIRE_WORD_H */
