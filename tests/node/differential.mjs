// Random frames as the npm packages make them, and a look at what Python has made of them.
//
//   node differential.mjs make SEED COUNT FILE    write so many frames
//   node differential.mjs check SEED COUNT FILE   are these the same headers and the same values?
//   node differential.mjs read SEED COUNT FILE    can all of these be read?
//   node differential.mjs spelling SEED COUNT FILE  are the keys what JavaScript makes of the numbers?

import assert from "node:assert/strict";
import { createReadStream, createWriteStream } from "node:fs";
import { once } from "node:events";
import { msgpackCodec } from "@procwire/codecs";
import { FrameBuffer, buildFrame } from "@procwire/protocol";
import { below, pick, seeded } from "./random.mjs";

const [action, seed, count, file] = process.argv.slice(2);
const random = seeded(Number(seed));

const LEAVES = [
  () => null,
  () => random() < 0.5,
  () => below(random, 2 ** pick(random, [1, 7, 8, 15, 16, 31, 32, 53])),
  () => -below(random, 2 ** pick(random, [1, 5, 7, 8, 15, 16, 31, 32, 53])),
  () => (random() - 0.5) * 10 ** below(random, 300),
  () => pick(random, ["", "a", "é", "日本", "🙂"]).repeat(below(random, 40)),
  () => Buffer.alloc(below(random, 300), below(random, 256)),
  () => new Date(below(random, 2 ** 47) - 2 ** 46),
];

function value(depth) {
  if (depth === 0 || random() < 0.5) return pick(random, LEAVES)();
  const items = Array.from({ length: below(random, 5) }, () => value(depth - 1));
  if (random() < 0.5) return items;
  const key = (index) => `${"key".repeat(below(random, 12))}${index}`;
  return Object.fromEntries(items.map((item, index) => [key(index), item]));
}

/** The next header and payload; the method ids that mean something to the reader are left out. */
function next() {
  const header = {
    methodId: 1 + below(random, 0xfffd),
    flags: below(random, 64),
    requestId: below(random, 2 ** 32),
  };
  return [header, msgpackCodec.serialize(value(3))];
}

async function make() {
  const output = createWriteStream(file);
  for (let i = 0; i < count; i++) {
    if (!output.write(buildFrame(...next()))) await once(output, "drain");
  }
  output.end();
  await once(output, "finish");
}

async function check() {
  let seen = 0;
  const frames = new FrameBuffer();
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    for (const frame of frames.push(chunk)) {
      const [header, payload] = next();
      assert.deepEqual({ ...frame.header }, { ...header, payloadLength: frame.payload.length });
      // Python has its own choice among the forms of a number or a date: the value counts.
      const back = msgpackCodec.serialize(msgpackCodec.deserialize(frame.payload));
      assert.equal(back.toString("hex"), payload.toString("hex"));
      seen += 1;
    }
  }
  assert.equal(seen, Number(count));
}

/** The values of a file's frames. */
async function* values() {
  const frames = new FrameBuffer();
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    for (const frame of frames.push(chunk)) yield msgpackCodec.deserialize(frame.payload);
  }
}

/** Fails for what no value of Python's is in JavaScript. */
function inspect(value) {
  if (typeof value === "string") assert.equal(value, value.toWellFormed());
  if (value instanceof Date) assert.ok(!Number.isNaN(value.getTime()), "an invalid date");
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value)) return;
  Object.entries(value).forEach(([key, item]) => {
    inspect(key);
    inspect(item);
  });
}

async function read() {
  let seen = 0;
  for await (const value of values()) {
    inspect(value);
    seen += 1;
  }
  assert.equal(seen, Number(count));
}

async function spelling() {
  for await (const table of values()) {
    assert.equal(table.length, Number(count));
    for (const [number, spelled] of table) assert.deepEqual(Object.keys(spelled), [`${number}`]);
  }
}

await { make, check, read, spelling }[action]();
