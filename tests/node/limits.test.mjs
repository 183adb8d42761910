// The worker's own limits: handlers at a time, threads, and the size of payloads.

import assert from "node:assert/strict";
import { test } from "node:test";
import { msgpackCodec, rawCodec } from "@procwire/codecs";
import { failure, startWorker, within } from "./harness.mjs";

const rawAnswer = { requestCodec: msgpackCodec, responseCodec: rawCodec };
const options = {
  methods: {
    wait: undefined,
    wait_in_thread: undefined,
    wait_unanswered: { response: "none" },
    stream: { response: "stream" },
    fail: undefined,
    endless: { cancellable: true },
    take_busiest: undefined,
    size: { requestCodec: rawCodec, responseCodec: msgpackCodec },
    make: rawAnswer,
    make_stream: { ...rawAnswer, response: "stream" },
  },
  events: { waited: {}, begun: {} },
};

const start = (t, env) => startWorker(t, "limits.py", { ...options, env });
const numbers = [...Array(500).keys()];

for (const limit of [1, 2, 7]) {
  test(`no more than ${limit} handlers at a time, and no request is lost`, async (t) => {
    const worker = await start(t, { MAX_CONCURRENCY: `${limit}` });
    for (const method of ["wait", "wait_in_thread"]) {
      const answers = await Promise.all(numbers.map((number) => worker.send(method, number)));
      assert.deepEqual(answers, numbers);
      assert.equal(await worker.send("take_busiest", null), limit);
    }
    const errors = await Promise.all(numbers.map((number) => failure(worker.send("fail", number))));
    assert.deepEqual(errors.map(({ message }) => message), numbers.map((i) => `failed ${i}`));
    const streams = await Promise.all(numbers.slice(0, 50).map((i) => worker.collect("stream", i)));
    assert.deepEqual(streams, numbers.slice(0, 50).map((i) => numbers.slice(0, i)));
    assert.ok((await worker.send("take_busiest", null)) <= limit);
  });

  test(`nor of requests without an answer: ${limit}`, async (t) => {
    const worker = await start(t, { MAX_CONCURRENCY: `${limit}` });
    const waited = worker.events("waited", 500);
    await Promise.all(numbers.map((number) => worker.send("wait_unanswered", number)));
    assert.deepEqual((await waited).toSorted((a, b) => a - b), numbers);
    assert.ok((await worker.send("take_busiest", null)) <= limit);
  });
}

test("at the limit an abort is still heard, and makes room for others", async (t) => {
  const worker = await start(t, { MAX_CONCURRENCY: "1" });
  for (const waiting of [0, 1, 100]) {
    const controller = new AbortController();
    const begun = worker.event("begun");
    const aborted = failure(worker.send("endless", null, { signal: controller.signal }));
    await begun;
    const some = numbers.slice(0, waiting);
    const answers = some.map((number) => worker.send("wait", number));
    controller.abort();
    assert.equal((await aborted).name, "AbortError");
    assert.deepEqual(await Promise.all(answers), some);
    assert.equal(await worker.send("wait", -1), -1);
  }
});

test("no more threads than allowed", async (t) => {
  const worker = await start(t, { MAX_THREADS: "3" });
  const some = numbers.slice(0, 100);
  const answers = some.map((number) => worker.send("wait_in_thread", number));
  // Others are not kept waiting by requests that wait for a thread.
  assert.equal(await worker.send("wait", -1), -1);
  assert.deepEqual(await within(Promise.all(answers)), some);
  assert.ok((await worker.send("take_busiest", null)) <= 4);
});

test("a payload up to the limit comes and goes", async (t) => {
  const worker = await start(t, { MAX_PAYLOAD_SIZE: "1000" });
  assert.equal(await worker.send("size", Buffer.alloc(1000)), 1000);
  assert.equal((await worker.send("make", 1000)).length, 1000);
});

test("an answer beyond the limit is an error to its caller alone", async (t) => {
  const worker = await start(t, { MAX_PAYLOAD_SIZE: "1000" });
  for (const size of [1001, 5_000_000]) {
    const error = await failure(worker.send("make", size));
    assert.match(error.message, new RegExp(`the payload has ${size} bytes, the limit is 1000`));
  }
  const chunks = [];
  const error = await failure(
    (async () => {
      for await (const chunk of worker.stream("make_stream", [1, 1000, 1001, 1])) {
        chunks.push(chunk.length);
      }
    })(),
  );
  assert.match(error.message, /the payload has 1001 bytes/);
  assert.deepEqual(chunks, [1, 1000]);
  assert.equal((await worker.send("make", 10)).length, 10);
});

test("a request beyond the limit ends the connection, before it is read", async (t) => {
  const worker = await start(t, { MAX_PAYLOAD_SIZE: "1000" });
  assert.equal(await worker.send("size", Buffer.alloc(1)), 1);
  const error = await failure(worker.send("size", Buffer.alloc(1001)));
  assert.equal(error.message, "Module disconnected");
  await within(worker.manager.exited, "the worker's end");
  assert.match(worker.log(), /frame declares a payload of 1001 bytes, the limit is 1000/);
});

test("so does a frame that breaks the rules", async (t) => {
  const frames = {
    "method id 0": [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    "reserved flag bits": [0, 1, 0x80, 0, 0, 0, 1, 0, 0, 0, 0],
  };
  for (const [name, bytes] of Object.entries(frames)) {
    const worker = await start(t, {});
    worker.module._transport.writeFrame(Buffer.from(bytes), Buffer.alloc(0));
    await within(worker.manager.exited, "the worker's end");
    assert.match(worker.log(), new RegExp(`the connection is dropped: frame with ${name}`));
    assert.match(worker.troubles[0].message, /lost its data channel/);
  }
});
