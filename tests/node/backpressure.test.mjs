// A consumer that lags behind suspends the producer, and gets everything in order afterwards.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { failure, sharedWorker, startWorker, until, within } from "./harness.mjs";

const FORMS = [
  "async_generator",
  "thread_generator",
  "loop_generator",
  "context",
  "thread_context",
];
const stream = { response: "stream", cancellable: true };

// The parent stops reading when 256 chunks wait for a consumer. What else is under way: a
// megabyte in the worker, the socket's buffers, and what the parent has read already.
const SIZE = 8192;
const COUNT = 4000;
const ENOUGH = 1200;

const options = {
  methods: {
    ...Object.fromEntries(FORMS.map((name) => [name, stream])),
    events: { response: "ack" },
    echo: undefined,
  },
  events: { flood: {} },
  policy: { heartbeat: { intervalMs: 20, timeoutMs: 10_000 } },
};
const worker = sharedWorker("floods.py", options);

const place = mkdtempSync(join(tmpdir(), "procwire-floods-"));
after(() => rmSync(place, { recursive: true }));
let files = 0;

const flood = () => ({ path: join(place, `${files++}`), count: COUNT, size: SIZE });

/** How far a producer has come; what it has not written down yet counts as nothing. */
function produced({ path }) {
  try {
    return Number(readFileSync(path).readBigUInt64BE());
  } catch {
    return 0;
  }
}

/** How far a producer has come when it comes no further. */
async function settled(request) {
  let before = -1;
  await until(async () => {
    const now = produced(request);
    if (now > 0 && now === before) return true;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return false;
  }, "the producer is suspended");
  return before;
}

/** Takes the rest of a stream, which must come whole and in order. */
async function takeRest(chunks, from) {
  let expected = from;
  for await (const chunk of chunks) {
    assert.equal(chunk.readUInt32BE(), expected);
    assert.equal(chunk.length, SIZE);
    expected += 1;
  }
  assert.equal(expected, COUNT);
}

// First: later on a stream has been under way before.
test("events wait, too", async () => {
  const events = flood();
  assert.equal(await worker.send("events", events), null);
  const seen = [];
  const off = worker.module.onEvent("flood", (chunk) => seen.push(chunk.readUInt32BE()));
  const request = flood();
  const chunks = worker.stream("async_generator", request);
  await chunks.next();
  await Promise.all([settled(request), settled(events)]);
  assert.ok(produced(request) < ENOUGH, `${produced(request)} chunks were produced`);
  assert.ok(produced(events) < COUNT / 2, `${produced(events)} events were emitted`);
  await within(takeRest(chunks, 1), "the rest", 60_000);
  await until(() => seen.length === COUNT, "all events came");
  off();
  assert.deepEqual(seen, [...Array(COUNT).keys()]);
});

for (const form of FORMS) {
  test(`a lagging consumer suspends ${form}`, async () => {
    const request = flood();
    const chunks = worker.stream(form, request);
    assert.equal((await chunks.next()).value.readUInt32BE(), 0);
    const count = await settled(request);
    assert.ok(count > 256 && count < ENOUGH, `${count} chunks were produced`);
    const { pongs } = worker.manager;
    await until(() => worker.manager.pongs > pongs + 2, "the control plane is free");
    assert.equal(produced(request), count);
    await within(takeRest(chunks, 1), "the rest", 60_000);
    assert.equal(produced(request), COUNT);
  });
}

test("several streams lag and recover together", async () => {
  const requests = FORMS.map(flood);
  const streams = requests.map((request, i) => worker.stream(FORMS[i], request));
  // One by one: the first that lags stops the reading for all.
  const first = streams[0].next();
  for (const chunks of streams.slice(1)) chunks.next().catch(() => {});
  await first;
  await settled(requests[0]);
  const total = requests.reduce((sum, request) => sum + produced(request), 0);
  assert.ok(total < ENOUGH * FORMS.length, `${total} chunks were produced`);
  await within(Promise.all(streams.map((chunks) => takeRest(chunks, 1))), "the rest", 60_000);
});

test("requests wait while their answers could not leave", async () => {
  const request = flood();
  const chunks = worker.stream("async_generator", request);
  await chunks.next();
  await settled(request);
  const echo = { path: join(place, "answered") };
  const bodies = Array.from({ length: 500 }, (_, i) => Buffer.alloc(65_536, i));
  const answers = bodies.map((body) => worker.send("echo", { ...echo, body }));
  const { pongs } = worker.manager;
  await until(() => worker.manager.pongs > pongs + 5, "the worker has had its time");
  // The worker keeps a few megabytes of answers, 64 KiB each, and then reads no more.
  assert.ok(produced(echo) < 250, `${produced(echo)} requests were answered`);
  await within(takeRest(chunks, 1), "the rest", 60_000);
  for (const [i, answer] of answers.entries()) assert.ok((await answer).equals(bodies[i]));
});

for (const form of FORMS) {
  test(`a lagging consumer that aborts or leaves sets the others free: ${form}`, async () => {
    const controller = new AbortController();
    const aborted = flood();
    const chunks = worker.stream(form, aborted, { signal: controller.signal });
    await chunks.next();
    await settled(aborted);
    controller.abort();
    const error = await failure(takeRest(chunks, 1));
    assert.equal(error.name, "AbortError");
    const left = flood();
    const others = worker.stream(form, left);
    await others.next();
    await settled(left);
    await others.return();
    // 32 MB, which a thread hands over chunk by chunk.
    const dropped = "the rest is sent, and dropped by the parent";
    await until(() => produced(left) === COUNT, dropped, 60_000);
    assert.ok(produced(aborted) < COUNT, "an aborted producer stops");
    const echo = { path: join(place, "answered"), body: Buffer.from("free") };
    assert.equal((await worker.send("echo", echo)).toString(), "free");
  });
}

for (const form of FORMS) {
  test(`a worker whose transport is full can be stopped: ${form}`, async (t) => {
    const full = await startWorker(t, "floods.py", options);
    const request = flood();
    const chunks = full.stream(form, request);
    await chunks.next();
    await settled(request);
    const begun = performance.now();
    await full.stop();
    assert.ok(performance.now() - begun < 3000);
    assert.ok(produced(request) < ENOUGH);
  });
}
