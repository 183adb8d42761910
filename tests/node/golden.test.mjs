// The golden bytes in tests/vectors/node.json are what the installed npm packages really send.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { msgpackCodec } from "@procwire/codecs";
import { decodeHeader, encodeHeader } from "@procwire/protocol";
import { sharedWorker } from "./harness.mjs";

const vectors = JSON.parse(
  readFileSync(new URL("../vectors/node.json", import.meta.url), { encoding: "utf8" }),
);

class Instance {
  x = 1;
}

/** The values that the file describes in words; the others are JavaScript as they stand. */
const DESCRIBED = {
  nil: null,
  "31 chars": "x".repeat(31),
  "32 chars": "x".repeat(32),
  "256 chars": "x".repeat(256),
  "lone surrogate": "\ud800",
  "16 items": [...Array(16).keys()],
  "16 keys": Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`k${i}`, i])),
  "Buffer ''": Buffer.alloc(0),
  "Buffer 'x'": Buffer.from("x"),
  "Buffer 'hi'": Buffer.from("hi"),
  "Buffer 16": Buffer.alloc(16, 7),
  "Buffer 300": Buffer.alloc(300, 7),
  "Uint8Array [1,2]": new Uint8Array([1, 2]),
  "Float64Array [1.5] (arrives as bin)": new Float64Array([1.5]),
  "Date 0": new Date(0),
  "Date 2023-11-14T22:13:20.123Z": new Date("2023-11-14T22:13:20.123Z"),
  "Date 1969": new Date("1969-12-31T23:59:59.999Z"),
  "Date 2600": new Date("2600-01-01T00:00:00Z"),
  "Date invalid": new Date(NaN),
  "{at: Date, body: Buffer}": { at: new Date(1_700_000_000_000), body: Buffer.from("hi") },
  Map: new Map([["a", 1]]),
  Set: new Set([1]),
  "class instance": new Instance(),
};

const evaluate = (text) => (text in DESCRIBED ? DESCRIBED[text] : Function(`return (${text})`)());

const worker = sharedWorker("values.py", { methods: { describe: {} } });

test("the file is the one that these tests know", () => {
  assert.equal(vectors.msgpack_from_node.length, 49);
  assert.equal(vectors.headers.length, 11);
  const named = vectors.msgpack_from_node.map(({ js }) => js);
  for (const description of Object.keys(DESCRIBED)) assert.ok(named.includes(description));
});

for (const { js, hex } of vectors.msgpack_from_node) {
  test(`MessagePack: ${js}`, () => {
    assert.equal(msgpackCodec.serialize(evaluate(js)).toString("hex"), hex);
  });
}

test("a worker takes every one of them", async () => {
  for (const { js } of vectors.msgpack_from_node) await worker.send("describe", evaluate(js));
});

for (const { hex, ...header } of vectors.headers) {
  test(`header ${hex}`, () => {
    assert.equal(encodeHeader(header).toString("hex"), hex);
    assert.deepEqual(decodeHeader(Buffer.from(hex, "hex")), header);
  });
}
