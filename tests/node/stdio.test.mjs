// Whatever a worker prints, the control plane has control messages only.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WINDOWS, startWorker, until, within } from "./harness.mjs";

const methods = {
  print: undefined,
  print_in_thread: undefined,
  read: undefined,
  close: undefined,
};

/** What has come out of the worker's standard output: methods of control messages, other lines. */
function controlLines(worker) {
  return worker.manager.controlOutput
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (line.startsWith("{") ? JSON.parse(line).method : line));
}

test("prints before $init, in handlers, in threads and after the end", async (t) => {
  const worker = await startWorker(t, "printing.py", { methods });
  assert.equal(await worker.send("print", "in a coroutine"), "in a coroutine");
  assert.equal(await worker.send("print_in_thread", "in a thread"), "in a thread");
  await worker.stop();
  assert.deepEqual(controlLines(worker), ["$init"]);
  assert.deepEqual(worker.troubles, []);
  const log = worker.log();
  for (const where of ["on import", "before run", "in a coroutine", "in a thread", "after run"]) {
    assert.ok(log.includes(`print ${where}\n`), where);
    // Windows has no names for them.
    if (!WINDOWS) assert.ok(log.includes(`by name ${where}\n`), where);
    assert.ok(log.includes(`no end ${where}`), where);
  }
  assert.equal(log.match(/^child$/gm).length, 5);
  assert.equal(log.match(/"method":"\$error"/g).length, 5 * 6);
});

test("the heartbeat goes on while a worker prints pongs and errors", async (t) => {
  const policy = { heartbeat: { intervalMs: 10, timeoutMs: 10_000 } };
  const worker = await startWorker(t, "printing.py", { methods, policy });
  const printing = ["a", "b", "c"].map((data) => worker.send("print_in_thread", data));
  await within(Promise.all(printing));
  const { pongs } = worker.manager;
  await until(() => worker.manager.pongs > pongs, "another pong came");
  assert.deepEqual(worker.troubles, []);
  const lines = controlLines(worker);
  assert.equal(lines.shift(), "$init");
  assert.deepEqual(new Set(lines), new Set(["$pong"]));
});

for (const before of ["line", "text", "written"]) {
  test(`output before the package is imported does not swallow $init: ${before}`, async (t) => {
    const worker = await startWorker(t, "printing.py", {
      methods,
      env: { PRINT_BEFORE: before },
      policy: { initTimeout: 5000 },
    });
    assert.equal(await worker.send("print", "on"), "on");
  });
}

test("nobody can read the parent's messages from standard input", async (t) => {
  const policy = { heartbeat: { intervalMs: 10, timeoutMs: 10_000 } };
  const worker = await startWorker(t, "printing.py", { methods, policy });
  const reading = [1, 2, 3, 4].map(() => worker.send("read", null));
  for (const read of await Promise.all(reading)) assert.deepEqual(read, ["", "", "", "EOFError"]);
  assert.deepEqual(worker.troubles, []);
});

test("closing the standard streams does not close the control plane", async (t) => {
  const policy = { heartbeat: { intervalMs: 10, timeoutMs: 10_000 } };
  const worker = await startWorker(t, "printing.py", { methods, policy });
  assert.equal(await worker.send("close", null), "closed");
  const { pongs } = worker.manager;
  await until(() => worker.manager.pongs >= pongs + 3, "more pongs came");
  assert.deepEqual(worker.troubles, []);
  // After its end it prints where nothing is any more: that is not what this is about.
  await worker.manager.shutdown();
});
