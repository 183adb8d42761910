// Middleware, the details of errors, and statistics, as a parent sees them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, sharedWorker, startWorker, until, within } from "./harness.mjs";

const methods = {
  echo: undefined,
  in_thread: undefined,
  numbers: { response: "stream" },
  broken: { response: "stream" },
  fail: undefined,
  fail_in_thread: undefined,
  stubborn: { cancellable: true },
  stats: undefined,
};
const worker = sharedWorker("wrapped.py", { methods });

for (const method of ["echo", "in_thread"]) {
  test(`a middleware refuses, and wraps what it lets through: ${method}`, async () => {
    const error = await failure(worker.send(method, { token: "wrong", data: 1 }));
    assert.equal(error.message, "not you");
    assert.equal(error.data.code, "E_AUTH");
    const answer = await worker.send(method, { token: "secret", data: 1 });
    assert.deepEqual(answer, { user: "you", answer: 1 });
    assert.equal(await worker.send(method, 5), 5);
  });
}

test("a stream runs through a middleware", async () => {
  assert.deepEqual(await worker.collect("numbers", null), [0, 1, 2]);
  const error = await failure(worker.collect("numbers", { token: "wrong" }));
  assert.equal(error.data.code, "E_AUTH");
});

const DETAILS = {
  value: { message: "oops", name: "ValueError" },
  silent: { message: "Silent (whose text cannot be made)", name: "Silent" },
  exit: { message: "3", name: "SystemExit" },
  surrogate: { message: "file \\udcff", name: "OSError" },
  refused: { message: "refused", code: "E1" },
  unsendable: { message: "refused", code: "E1" },
};

for (const method of ["fail", "fail_in_thread"]) {
  test(`error_details tells the class name: ${method}`, async () => {
    for (const [kind, data] of Object.entries(DETAILS)) {
      const error = await failure(worker.send(method, kind));
      assert.equal(error.message, data.message);
      assert.deepEqual(error.data, data);
    }
  });
}

test("an exception group ends a stream once", async () => {
  const id = worker.nextRequestId;
  const error = await failure(worker.collect("broken", null));
  assert.deepEqual(error.data, {
    message: "several (2 sub-exceptions)",
    name: "ExceptionGroup",
  });
  await worker.send("echo", 1);
  assert.deepEqual(worker.flagsOf(id), ["0b", "0f"]);
});

test("debug tells the traceback, and nothing else does", async (t) => {
  const debugged = await startWorker(t, "wrapped.py", { methods, env: { DEBUG: "1" } });
  const error = await failure(debugged.send("fail", "value"));
  assert.match(error.data.traceback, /^Traceback[^]*in fail\n[^]*ValueError: oops\n$/);
  assert.equal((await failure(debugged.send("fail", "refused"))).data.traceback, undefined);
  const discreet = await startWorker(t, "wrapped.py", { methods, env: { DETAILS: "0" } });
  assert.equal((await failure(discreet.send("fail", "value"))).data, "oops");
});

test("what has been counted", async (t) => {
  const counted = await startWorker(t, "wrapped.py", { methods });
  await Promise.all([1, 2, 3].map((number) => counted.send("echo", number)));
  await failure(counted.send("fail", "value"));
  await counted.collect("numbers", null);
  const controller = new AbortController();
  const aborted = failure(counted.send("stubborn", null, { signal: controller.signal }));
  const before = await counted.send("stats", null);
  assert.equal(before.methods.stubborn.in_flight, 1);
  controller.abort();
  assert.equal((await within(aborted)).name, "AbortError");
  const stats = await until(async () => {
    const now = await counted.send("stats", null);
    return now.late === 1 && now;
  }, "the late answer is counted");
  const ends = (name) => {
    const { requests, succeeded, failed, aborted: given_up, late } = stats.methods[name];
    return [requests, succeeded, failed, given_up, late];
  };
  assert.deepEqual(ends("echo"), [3, 3, 0, 0, 0]);
  assert.deepEqual(ends("fail"), [1, 0, 1, 0, 0]);
  assert.deepEqual(ends("numbers"), [1, 1, 0, 0, 0]);
  assert.deepEqual(ends("stubborn"), [1, 0, 0, 1, 1]);
  assert.equal(stats.in_flight, 1);
  assert.ok(stats.bytes_in > 100 && stats.bytes_out > stats.bytes_in);
  assert.equal(stats.write_paused, 0);
});
