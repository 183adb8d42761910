// What a client has chosen for the values that JavaScript would change or refuse.

import assert from "node:assert/strict";
import { test } from "node:test";
import { msgpackCodec, rawCodec } from "@procwire/codecs";
import { failure, sharedWorker } from "./harness.mjs";

const worker = sharedWorker("policies.py", {
  methods: {
    odd: {},
    odd_in_thread: {},
    odd_chunks: { response: "stream" },
    odd_ack: { response: "ack" },
    other_policy: {},
    fail: {},
    no_form: {},
    task: {},
    emit: { requestCodec: rawCodec, responseCodec: msgpackCodec },
  },
  events: { odd: {}, strict: {} },
});

const ODD = {
  ints: ["9007199254740992", 1],
  nothing: null,
  at: new Date("2026-01-02T00:00:00Z"),
  text: "a\ufffd",
  third: [1, 3],
  null: 0,
};

for (const method of ["odd", "odd_in_thread", "odd_ack"]) {
  test(`the answers of ${method}`, async () => {
    assert.deepEqual(await worker.send(method), ODD);
  });
}

test("chunks", async () => {
  assert.deepEqual(await worker.collect("odd_chunks"), [ODD]);
});

test("events, except those with a codec of their own", async () => {
  const event = worker.event("odd");
  const strict = await worker.send("emit", Buffer.alloc(0));
  assert.match(strict, /^CodecError: \$\.ints\[0\]: the integer/);
  assert.deepEqual(await event, ODD);
});

test("the details of errors", async () => {
  const error = await failure(worker.send("fail"));
  assert.equal(error.message, "failed");
  assert.deepEqual(error.data, { message: "failed", details: ODD });
});

test("a codec of the method's own has its own policies", async () => {
  assert.deepEqual(await worker.send("other_policy", "at"), { at: "2026-01-02T00:00:00" });
  const error = await failure(worker.send("other_policy", "id"));
  assert.match(error.message, /^\$\.id\[0\]: the integer 9007199254740992/);
});

test("what the default function raises", async () => {
  const error = await failure(worker.send("no_form"));
  assert.equal(error.message, "$.a[0]: cannot be packed: TypeError: what is a complex?");
});

test("the default function is in no task of others", async () => {
  // The one that handlers share until they wait would be ended by whoever cancels it.
  assert.equal(await worker.send("task"), null);
});
