// Acks, methods without an answer, and events.

import assert from "node:assert/strict";
import { test } from "node:test";
import { rawCodec } from "@procwire/codecs";
import { sharedWorker } from "./harness.mjs";

const ack = { response: "ack" };
const rawAck = { ...ack, codec: rawCodec };
const none = { response: "none" };

const worker = sharedWorker("acks.py", {
  methods: {
    returned: ack,
    returned_raw: rawAck,
    nothing: ack,
    nothing_raw: rawAck,
    given: ack,
    given_nothing: ack,
    given_raw: rawAck,
    given_nothing_raw: rawAck,
    thread: ack,
    inline: ack,
    long: ack,
    long_in_thread: ack,
    go_on: undefined,
    fire: none,
    fire_in_thread: none,
    fire_raw: { ...none, codec: rawCodec },
    misfire: none,
    take_arrived: undefined,
    emit: undefined,
    emit_nothing: undefined,
    emit_many: undefined,
    emit_wrongly: undefined,
  },
  // "undeclared" is an event of the worker that this parent does not know.
  events: { fired: {}, progress: {}, returned: {} },
});

for (const name of ["returned", "given", "thread", "inline"]) {
  test(`an ack with data, once: ${name}`, async () => {
    for (const data of [{ accepted: true }, [], 0, "", false]) {
      const id = worker.nextRequestId;
      assert.deepEqual(await worker.send(name, data), data);
      assert.deepEqual(worker.flagsOf(id), ["23"]);
    }
  });
}

for (const name of ["nothing", "given_nothing"]) {
  test(`an ack without data is null: ${name}`, async () => {
    const id = worker.nextRequestId;
    assert.equal(await worker.send(name, 1), null);
    assert.deepEqual(worker.flagsOf(id), ["23"]);
  });
}

test("acks on raw methods, with and without data", async () => {
  const data = Buffer.from("accepted");
  for (const name of ["returned_raw", "given_raw"]) {
    assert.deepEqual(await worker.send(name, data), data);
  }
  for (const name of ["nothing_raw", "given_nothing_raw"]) {
    assert.deepEqual(await worker.send(name, data), Buffer.alloc(0));
  }
});

test("after the ack a handler goes on and emits events", async () => {
  const seen = [];
  const off = worker.module.onEvent("progress", ({ step }) => seen.push(step));
  const steps = worker.events("progress", 100);
  const id = worker.nextRequestId;
  assert.deepEqual(await worker.send("long", 100), { accepted: 100 });
  assert.deepEqual(seen, [], "the handler waits until it is told to go on");
  await worker.send("go_on", null);
  await steps;
  off();
  assert.deepEqual(seen, Array.from({ length: 100 }, (_, step) => step));
  assert.deepEqual(worker.flagsOf(id), ["23"], "one end, whatever the handler does later");
});

test("so does a handler in a thread", async () => {
  await worker.send("go_on", null);
  const steps = worker.events("progress", 20);
  assert.equal(await worker.send("long_in_thread", 20), "accepted");
  assert.deepEqual((await steps).map(({ step }) => step), Array.from({ length: 20 }, (_, i) => i));
});

test("a request without an answer has id 0 and gets none", async () => {
  const fired = worker.event("fired");
  const before = worker.frames.length;
  assert.equal(await worker.send("fire", "first"), undefined);
  assert.deepEqual(await fired, ["first", 0]);
  await worker.send("fire_in_thread", "second");
  await worker.send("fire_raw", Buffer.from("third"));
  const id = worker.nextRequestId;
  const arrived = await worker.send("take_arrived", 2);
  assert.deepEqual(new Set(arrived), new Set([["second", 0], Buffer.from("third")]));
  const sent = worker.frames.slice(before).map(({ flags, requestId }) => [flags, requestId]);
  assert.deepEqual(sent, [[0x01, 0], [0x03, id]], "the event, and the answer to take_arrived");
});

test("errors of such a request are logged and nothing else", async () => {
  const before = worker.frames.length;
  for (const way of ["raise", "respond", "error"]) await worker.send("misfire", way);
  const id = worker.nextRequestId;
  await worker.send("nothing", null);
  assert.deepEqual(worker.frames.slice(before).map(({ requestId }) => requestId), [id]);
  assert.match(worker.log(), /ValueError: misfired: raise/);
  assert.match(worker.log(), /respond\(\) cannot answer 'misfire'/);
  assert.match(worker.log(), /ValueError: misfired: error/);
});

test("many requests without an answer", async () => {
  await Promise.all(
    Array.from({ length: 500 }, (_, i) => worker.send("fire_in_thread", i)),
  );
  const arrived = await worker.send("take_arrived", 500);
  assert.deepEqual(arrived.map(([i]) => i).sort((a, b) => a - b), [...Array(500).keys()]);
});

test("events of all values, and of none", async () => {
  for (const data of [null, 0, "text", [1, { a: Buffer.from("b") }], new Date(1e12)]) {
    const event = worker.event("progress");
    await worker.send("emit", { name: "progress", data });
    assert.deepEqual(await event, data);
  }
  const event = worker.event("progress");
  await worker.send("emit_nothing", "progress");
  assert.equal(await event, null);
});

test("an event may be called as a method is, and have its id", async () => {
  const event = worker.event("returned");
  await worker.send("emit", { name: "returned", data: "event" });
  assert.equal(await event, "event");
});

test("an event that the parent did not declare is dropped there", async () => {
  await worker.send("emit", { name: "undeclared", data: 1 });
  assert.deepEqual(worker.troubles, []);
});

test("events come in order, and before the answer that follows them", async () => {
  const seen = [];
  const off = worker.module.onEvent("progress", (number) => seen.push(number));
  assert.equal(await worker.send("emit_many", 5000), "done");
  off();
  assert.deepEqual(seen, [...Array(5000).keys()]);
});

test("a wrong event is an error where it is emitted", async () => {
  const [unknown, unencodable] = await worker.send("emit_wrongly", null);
  assert.match(unknown, /^UnknownEventError: .*'no_such_event'/);
  assert.match(unencodable, /^CodecError: \$\.a\[0\]: object /);
});
