#include "procwire_extensions.h"

#include <string.h>

#define NIL 0xc0
#define BIN8 0xc4
#define BIN16 0xc5
#define BIN32 0xc6
#define EXT8 0xc7
#define FIXEXT1 0xd4
#define FIXEXT4 0xd6
#define FIXEXT8 0xd7
#define FIXEXT16 0xd8

#define TYPE_TIMESTAMP (-1)
#define TYPE_BUFFER 1
#define TYPE_DATE 2

/* The largest that replaces one: a timestamp of 96 bits, or the head of a bin32. */
#define MAX_REPLACEMENT 15

/* Python's years 1 to 9999, which are those that decoders take, in microseconds. */
#define FIRST_MICROSECOND (-62135596800000000)
#define LAST_MICROSECOND 253402300799999999
/* Milliseconds; well beyond these years, and exact as a number of microseconds. */
#define BEYOND_ALL_DATES 1e15

/* One token: a scalar with its body, or the head of an array or map. */
typedef struct {
    size_t head;
    size_t body;
    /* It is an extension, whose type is the last byte of the head. */
    int is_extension;
} token;

static uint64_t read_big_endian(const uint8_t *bytes, int size) {
    uint64_t value = 0;
    for (int i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void write_big_endian(uint8_t *bytes, int size, uint64_t value) {
    for (int i = size - 1; i >= 0; i--, value >>= 8)
        bytes[i] = (uint8_t)value;
}

/* Bytes of the length behind the tokens 0xc4 to 0xdf, those of arrays and maps included. */
static const uint8_t length_sizes[] = {1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0,
                                       0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4};
/* Bytes of the body behind the tokens 0xca to 0xd3, numbers, and 0xd4 to 0xd8, extensions. */
static const uint8_t fixed_sizes[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 16};

/* 1, or 0 when the bytes end within the token, or it is none. */
static int read_token(const uint8_t *at, size_t left, token *found) {
    uint8_t first = at[0];
    found->head = 1;
    found->body = 0;
    found->is_extension = 0;
    if (first < 0xa0 || first >= 0xe0)
        return 1;
    if (first < 0xc0) {
        found->body = first & 0x1f;
    } else if (first < BIN8) {
        return first != 0xc1;
    } else if (first >= 0xca && first <= FIXEXT16) {
        found->body = fixed_sizes[first - 0xca];
        found->is_extension = first >= FIXEXT1;
    } else {
        int size = length_sizes[first - BIN8];
        if (left < 1 + (size_t)size)
            return 0;
        found->head += size;
        /* The items of arrays and maps are tokens of their own. */
        if (first < 0xdc)
            found->body = (size_t)read_big_endian(at + 1, size);
        found->is_extension = first >= EXT8 && first <= 0xc9;
    }
    found->head += found->is_extension;
    return left >= found->head && left - found->head >= found->body;
}

static size_t write_bin_head(uint8_t *out, size_t size) {
    if (size < 0x100) {
        out[0] = BIN8;
        out[1] = (uint8_t)size;
        return 2;
    }
    int width = size < 0x10000 ? 2 : 4;
    out[0] = width == 2 ? BIN16 : BIN32;
    write_big_endian(out + 1, width, size);
    return 1 + (size_t)width;
}

static size_t write_timestamp(uint8_t *out, int64_t microseconds) {
    int64_t seconds = microseconds / 1000000;
    int64_t nanoseconds = microseconds % 1000000 * 1000;
    if (nanoseconds < 0) {
        seconds -= 1;
        nanoseconds += 1000000000;
    }
    uint64_t unsigned_seconds = (uint64_t)seconds;
    if (unsigned_seconds >> 34) {
        out[0] = EXT8;
        out[1] = 12;
        out[2] = (uint8_t)TYPE_TIMESTAMP;
        write_big_endian(out + 3, 4, (uint64_t)nanoseconds);
        write_big_endian(out + 7, 8, unsigned_seconds);
        return 15;
    }
    int is_short = nanoseconds == 0 && unsigned_seconds >> 32 == 0;
    out[0] = is_short ? FIXEXT4 : FIXEXT8;
    out[1] = (uint8_t)TYPE_TIMESTAMP;
    write_big_endian(out + 2, is_short ? 4 : 8, (uint64_t)nanoseconds << 34 | unsigned_seconds);
    return is_short ? 6 : 10;
}

/* Rounded as Python's timedelta does it: half a microsecond to the even one. */
static int64_t microseconds_of(double milliseconds) {
    int64_t whole = (int64_t)milliseconds;
    double rest = (milliseconds - (double)whole) * 1000;
    int64_t rounded = (int64_t)rest;
    double remainder = rest - (double)rounded;
    if (remainder > 0.5 || (remainder == 0.5 && rounded & 1))
        rounded += 1;
    else if (remainder < -0.5 || (remainder == -0.5 && rounded & 1))
        rounded -= 1;
    return whole * 1000 + rounded;
}

static size_t write_date(uint8_t *out, const uint8_t *body) {
    uint64_t bits = read_big_endian(body, 8);
    double milliseconds;
    memcpy(&milliseconds, &bits, sizeof milliseconds);
    if (milliseconds != milliseconds) {
        out[0] = NIL;
        return 1;
    }
    if (!(milliseconds > -BEYOND_ALL_DATES && milliseconds < BEYOND_ALL_DATES))
        return 0;
    int64_t microseconds = microseconds_of(milliseconds);
    if (microseconds < FIRST_MICROSECOND || microseconds > LAST_MICROSECOND)
        return 0;
    return write_timestamp(out, microseconds);
}

/* What to write for the token; 0 to leave it.  `keeps_body` says that its body follows. */
static size_t replacement(const uint8_t *at, const token *found, uint8_t *out, int *keeps_body) {
    static const uint8_t zeroes[12];
    const uint8_t *body = at + found->head;
    *keeps_body = 0;
    switch ((int8_t)body[-1]) {
    case TYPE_BUFFER:
        *keeps_body = 1;
        return write_bin_head(out, found->body);
    case TYPE_DATE:
        return found->body == 8 ? write_date(out, body) : 0;
    case TYPE_TIMESTAMP:
        if (found->body != 12 || memcmp(body, zeroes, 12) != 0)
            return 0;
        out[0] = NIL;
        return 1;
    default:
        return 0;
    }
}

size_t procwire_extensions_size(const uint8_t *payload, size_t size) {
    uint8_t scratch[MAX_REPLACEMENT];
    size_t at = 0, result = size;
    token found;
    int keeps_body, replaces = 0;
    while (at < size && read_token(payload + at, size - at, &found)) {
        if (found.is_extension) {
            size_t written = replacement(payload + at, &found, scratch, &keeps_body);
            if (written) {
                replaces = 1;
                result += written;
                result -= found.head + (keeps_body ? 0 : found.body);
            }
        }
        at += found.head + found.body;
    }
    return replaces ? result : 0;
}

void procwire_extensions_replace(const uint8_t *payload, size_t size, uint8_t *result) {
    uint8_t scratch[MAX_REPLACEMENT];
    size_t at = 0, copied = 0;
    token found;
    int keeps_body;
    while (at < size && read_token(payload + at, size - at, &found)) {
        if (found.is_extension) {
            size_t written = replacement(payload + at, &found, scratch, &keeps_body);
            if (written) {
                memcpy(result, payload + copied, at - copied);
                result += at - copied;
                memcpy(result, scratch, written);
                result += written;
                copied = at + found.head + (keeps_body ? 0 : found.body);
            }
        }
        at += found.head + found.body;
    }
    memcpy(result, payload + copied, size - copied);
}
