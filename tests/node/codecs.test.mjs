// Codecs: by name and by object, one for each direction, payloads from nothing to 10 MiB.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { MsgPackCodec, RawChunksCodec, RawCodec, msgpackCodec, rawCodec } from "@procwire/codecs";
import { failure, sharedWorker } from "./harness.mjs";

const reversed = {
  name: "reversed",
  serialize: (text) => Buffer.from([...text].reverse().join("")),
  deserialize: (payload) => [...payload.toString()].reverse().join(""),
};

const worker = sharedWorker("codecs.py", {
  methods: {
    default: undefined,
    msgpack_name: { codec: msgpackCodec },
    msgpack_object: { codec: new MsgPackCodec() },
    raw_name: { codec: rawCodec },
    raw_object: { codec: new RawCodec() },
    own: { codec: reversed },
    raw_thread: { codec: rawCodec },
    raw_inline: { requestCodec: new RawChunksCodec(), responseCodec: new RawChunksCodec() },
    raw_type: { requestCodec: rawCodec, responseCodec: msgpackCodec },
    digest: { requestCodec: rawCodec, responseCodec: msgpackCodec },
    repeat: { requestCodec: msgpackCodec, responseCodec: rawCodec },
    pieces: { response: "stream", requestCodec: msgpackCodec, responseCodec: rawCodec },
    raw_kinds: { requestCodec: msgpackCodec, responseCodec: rawCodec },
    reused_buffer: { response: "stream", codec: rawCodec },
    emit_both: undefined,
  },
  events: { raw_event: { codec: rawCodec }, msgpack_event: {} },
});

const MESSAGE = { text: "zażółć 🚀", list: [1, -1, 1.5, null, true], body: Buffer.from([0, 255]) };
const MEBIBYTE = 1 << 20;

/** Bytes that no two offsets have in common for long, so that nothing can be swapped unseen. */
function pattern(size) {
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2654435761);
  return Buffer.from(words.buffer, 0, size);
}

for (const name of ["default", "msgpack_name", "msgpack_object"]) {
  test(`MessagePack: ${name}`, async () => {
    assert.deepEqual(await worker.send(name, MESSAGE), MESSAGE);
  });
}

for (const name of ["raw_name", "raw_object", "raw_thread"]) {
  test(`raw: ${name}`, async () => {
    const data = pattern(1000);
    assert.deepEqual(await worker.send(name, data), data);
  });
}

test("raw chunks on the parent's side", async () => {
  const parts = [Buffer.from("ab"), Buffer.from("c")];
  assert.equal(Buffer.concat(await worker.send("raw_inline", parts)).toString(), "abc");
});

test("a codec of one's own", async () => {
  assert.equal(await worker.send("own", "drawkcab"), "drawkcab");
});

test("one codec for requests, another for responses", async () => {
  const data = pattern(5000);
  assert.deepEqual(await worker.send("digest", data), {
    size: 5000,
    sha256: createHash("sha256").update(data).digest("hex"),
  });
  assert.deepEqual(
    await worker.send("repeat", { bytes: Buffer.from("ab"), times: 3 }),
    Buffer.from("ababab"),
  );
  const pieces = [Buffer.from("x"), Buffer.alloc(0), pattern(70_000)];
  assert.deepEqual(await worker.collect("pieces", pieces), pieces);
});

test("a raw payload is bytes, whatever its size", async () => {
  for (const size of [0, 1, 65_536, 3 * MEBIBYTE]) {
    assert.deepEqual(await worker.send("raw_type", Buffer.alloc(size)), ["bytes", size]);
  }
});

test("raw answers may be any bytes-like object", async () => {
  for (const kind of ["bytes", "bytearray", "memoryview"]) {
    assert.deepEqual(await worker.send("raw_kinds", kind), Buffer.from([0, 1, 254, 255]));
  }
});

test("a buffer that the handler uses again is sent as it was when it was yielded", async () => {
  for (const size of [10, 300_000]) {
    const chunks = await worker.collect("reused_buffer", Buffer.alloc(size));
    assert.deepEqual(
      chunks.map((chunk) => chunk.equals(Buffer.alloc(size, chunk[0])) && chunk[0]),
      [0, 1, 2, 3, 4],
    );
  }
});

test("empty payloads", async () => {
  for (const name of ["raw_name", "raw_thread"]) {
    assert.deepEqual(await worker.send(name, Buffer.alloc(0)), Buffer.alloc(0));
  }
  for (const value of ["", [], {}, Buffer.alloc(0), null]) {
    assert.deepEqual(await worker.send("default", value), value);
  }
});

test("sizes around the borders of buffers", async () => {
  const sizes = [2 ** 16, 2 ** 17, 2 ** 18, MEBIBYTE].flatMap((size) =>
    [-12, -11, -10, -1, 0, 1].map((distance) => size + distance),
  );
  for (const size of sizes) {
    const data = pattern(size);
    const [raw, packed] = await Promise.all([
      worker.send("raw_name", data),
      worker.send("default", data),
    ]);
    assert.ok(raw.equals(data), `raw, ${size}`);
    assert.ok(packed.equals(data), `MessagePack, ${size}`);
  }
});

test("10 MiB each way, several at once and small ones in between", async () => {
  const data = pattern(10 * MEBIBYTE);
  const large = ["raw_name", "default", "raw_thread", "raw_name", "default"].map(async (name) =>
    assert.ok((await worker.send(name, data)).equals(data), name),
  );
  const small = Array.from({ length: 200 }, async (_, i) =>
    assert.equal(await worker.send("msgpack_name", i), i),
  );
  await Promise.all([...large, ...small]);
});

test("10 MiB of text and of many small values", async () => {
  const text = "abcdefghij".repeat(MEBIBYTE);
  assert.equal(await worker.send("default", text), text);
  const list = Array.from({ length: 500_000 }, (_, i) => (i % 2 ? `item ${i}` : i));
  assert.deepEqual(await worker.send("default", list), list);
});

test("events have codecs of their own", async () => {
  const both = Promise.all([worker.event("raw_event"), worker.event("msgpack_event")]);
  const data = pattern(2000);
  await worker.send("emit_both", data);
  assert.deepEqual(await both, [data, { data }]);
  const empty = worker.event("raw_event");
  await worker.send("emit_both", Buffer.alloc(0));
  assert.deepEqual(await empty, Buffer.alloc(0));
});

test("the parent's raw codec takes a Buffer only, which no worker can change", async () => {
  const error = await failure(worker.send("raw_name", new Uint8Array(2)));
  assert.match(error.message, /RawCodec expects Buffer/);
});
