/*
 * MessagePack without the extensions of its users: what JavaScript and this library write as
 * extensions, said with types that every decoder knows.
 *
 *   a Buffer, extension 1                      becomes   bin
 *   a Date, extension 2 of a float64           becomes   a timestamp, extension -1
 *   an invalid Date, a timestamp of zeroes     becomes   nil
 *
 * All else stays as it is: other extensions, dates beyond the years 1 to 9999, and bytes that are
 * no MessagePack.  Any bytes are safe; nothing is read behind them, and no memory is taken.
 */
#ifndef PROCWIRE_EXTENSIONS_H
#define PROCWIRE_EXTENSIONS_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes the payload has when that is done; 0 when nothing is to be done. */
size_t procwire_extensions_size(const uint8_t *payload, size_t size);

/* Does it.  `result` has room for as many bytes as the function above has said. */
void procwire_extensions_replace(const uint8_t *payload, size_t size, uint8_t *result);

#endif /* PROCWIRE_EXTENSIONS_H */
