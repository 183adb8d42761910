// What is measured: each job keeps so many calls under way, and checks every answer.

import { randomFillSync } from "node:crypto";

const STREAM_ITEMS = 20_000;
const TEXT = "x".repeat(1000);
const BIG_BYTES = 10 * 1024 * 1024;

// Different ones in turn, so that an answer to another request is noticed.
const buffers = (count, bytes) =>
  Array.from({ length: count }, () => randomFillSync(Buffer.alloc(bytes)));
const SMALL = buffers(61, 1024);
const LETTERS = SMALL.map((bytes) => bytes.toString("hex").slice(0, 1000));
let big = null;

class WrongAnswer extends Error {}

function check(right, what) {
  if (!right) throw new WrongAnswer(`a wrong answer: ${what}`);
}

async function raw(peer, number) {
  const sent = SMALL[number % SMALL.length];
  const got = await peer.echoRaw(sent);
  check(sent.equals(got), "1 KB of bytes");
  return 1;
}

async function map(peer, number) {
  const s = LETTERS[number % LETTERS.length];
  const got = await peer.echoMap({ i: number, s });
  check(got.i === number && got.s === s, "a map");
  return 1;
}

async function bigRaw(peer, number) {
  big ??= buffers(3, BIG_BYTES);
  const sent = big[number % big.length];
  const got = await peer.echoRaw(sent);
  check(sent.equals(got), "10 MiB of bytes");
  return BIG_BYTES;
}

async function stream(peer) {
  let next = 0;
  for await (const item of peer.stream(STREAM_ITEMS)) {
    check(item.i === next && item.s === TEXT, `item ${next}`);
    next++;
  }
  check(next === STREAM_ITEMS, `a stream of ${next} items`);
  return next;
}

const IN_FLIGHT = [1, 32, 256];

export const JOBS = [
  ...IN_FLIGHT.map((inFlight) => ({
    key: `raw-${inFlight}`,
    title: `1 KB Buffer echo, ${inFlight} in flight`,
    unit: "requests/s",
    call: raw,
    inFlight,
  })),
  ...IN_FLIGHT.map((inFlight) => ({
    key: `map-${inFlight}`,
    title: `1 KB map echo, ${inFlight} in flight`,
    unit: "requests/s",
    call: map,
    inFlight,
  })),
  {
    key: "stream",
    title: "stream of 20,000 1 KB maps",
    unit: "items/s",
    call: stream,
    inFlight: 1,
  },
  // The last one: it sets the peak of the memory.
  {
    key: "big",
    title: "10 MiB Buffer echo, 2 in flight",
    unit: "MB/s each way",
    scale: 1e-6,
    call: bigRaw,
    inFlight: 2,
    rare: true,
  },
];

/** Calls until both sides have compiled their hot code; on a busy machine that takes a while. */
export async function warmUp(peer, calls, maxSeconds) {
  const start = performance.now();
  for (const call of [raw, map]) {
    let number = 0;
    async function caller() {
      while (number < calls && performance.now() - start < maxSeconds * 1000) {
        await call(peer, number++);
      }
    }
    await Promise.all(Array.from({ length: 32 }, caller));
  }
}

/** Calls for so many seconds; returns the amount (calls, items or bytes) and the real seconds. */
export async function load(job, peer, seconds) {
  let number = 0;
  let amount = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  async function caller() {
    do {
      // In a statement of its own: += would take the amount from before the wait.
      const more = await job.call(peer, number++);
      amount += more;
    } while (performance.now() < end);
  }
  await Promise.all(Array.from({ length: job.inFlight }, caller));
  return { amount, seconds: (performance.now() - start) / 1000 };
}
