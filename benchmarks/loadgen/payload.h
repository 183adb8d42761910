/* What is sent, and what must come back.
 *
 * A payload is a short head, which differs from one number (request id, or
 * chunk index) to the next, and a body that is the same for all. The body
 * repeats with a prime period: a worker that loses, repeats or swaps a part of
 * a large payload shifts it against the period and is caught, while the bytes
 * to compare with stay in the processor's cache. */
#ifndef LOADGEN_PAYLOAD_H
#define LOADGEN_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_HEAD_MAX 32
#define PAYLOAD_PERIOD 65521u

typedef enum {
    PAYLOAD_RAW,     /* N bytes, the first four stamped */
    PAYLOAD_BIN,     /* the same N bytes, but they also are one MessagePack bin value */
    PAYLOAD_MSGPACK, /* {"n": int, "s": N characters} */
    PAYLOAD_CHUNK,   /* {"i": index, "s": N characters}: an item of stream_msgpack */
    PAYLOAD_RAW_CHUNK, /* N bytes, the first four the index: an item of stream_raw */
} payload_kind;

typedef struct {
    payload_kind kind;
    uint32_t size; /* N */
    uint8_t body[2 * PAYLOAD_PERIOD];
} payload_spec;

typedef struct {
    uint8_t bytes[PAYLOAD_HEAD_MAX];
    uint32_t length;
    uint32_t payload_length; /* head and body */
} payload_head;

/* False when no payload of that kind has that size. */
bool payload_init(payload_spec *spec, payload_kind kind, uint32_t size);

void payload_head_for(const payload_spec *spec, uint32_t number, payload_head *head);

/* Where the body's byte at `offset` is kept; PAYLOAD_PERIOD bytes may be read
 * from there on. */
static inline const uint8_t *payload_body_at(const payload_spec *spec, uint32_t offset) {
    return spec->body + offset % PAYLOAD_PERIOD;
}

/* Compares `length` received bytes which start at `offset` of the payload. */
bool payload_matches(const payload_spec *spec, const payload_head *head, uint32_t offset,
                     const uint8_t *bytes, size_t length);

/* The request of a stream method: {"count": N}, and "size" for stream_raw. */
uint32_t payload_stream_request(uint8_t out[PAYLOAD_HEAD_MAX], uint32_t count,
                                const uint32_t *size);

#endif
