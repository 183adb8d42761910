// Random numbers that a seed repeats.

/** A function that gives the next number in [0, 1): the "mulberry32" generator. */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from 0 up to, not including, `limit`. */
export const below = (random, limit) => Math.floor(random() * limit);

/** One of them. */
export const pick = (random, items) => items[below(random, items.length)];
