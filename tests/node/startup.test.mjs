// A worker that starts in one of two ways, and what the parent hears of one that cannot.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { LOOP, PYTHON, WORKERS, Worker, failure, startWorker } from "./harness.mjs";

const BROKEN = join(WORKERS, "broken");
const methods = { echo: undefined };
const command = (target) => ["-m", "procwire", "run", target, "--loop", LOOP];

for (const target of ["simple", "simple:client", "simple:app.worker"]) {
  test(`python -m procwire run ${target}`, async (t) => {
    const worker = await startWorker(t, command(target), { methods, cwd: WORKERS });
    assert.equal(await worker.send("echo", "here"), "here");
  });
}

/** The error with which a worker's start fails; the parent must not have waited for long. */
async function startFailure(t, script, options) {
  const worker = new Worker(script, { methods, ...options });
  t.after(() => worker.stop());
  const begun = performance.now();
  const error = await failure(worker.manager.spawn());
  assert.equal(error.name, "SpawnError");
  assert.ok(performance.now() - begun < 5000);
  return error.lastError.message;
}

describe("the parent is told why a worker cannot start", () => {
  const place = mkdtempSync(join(tmpdir(), "procwire-broken-"));
  after(() => rmSync(place, { recursive: true }));
  // Not among the workers, where tools would stumble over it.
  writeFileSync(join(place, "syntax.py"), "from procwire import Client\n\nclient = Client(\n");

  const noModule = "ModuleNotFoundError: No module named 'a_module_that_nobody_has'";
  const modules = {
    "import_error:client": noModule,
    "missing_first:client": noModule,
    "no_such_module:client": "TargetError: No module named 'no_such_module', neither",
    "raises:client": "RuntimeError: no model for raises.py: zażółć\nsecond line",
    "twice:client": "ValueError: the method 'same' is registered already",
    "raises_not:client": "TargetError: No module named 'raises_not', neither",
    "not_a_client:client": "TargetError: 'not_a_client:client' is a str, not a procwire.Client",
    "no_loop:clients": "TargetError: 'no_loop' has no 'clients'",
    "no_methods:client": "ValueError: no method has been registered",
    "exits:client": "SystemExit: no licence",
  };
  for (const [target, expected] of Object.entries(modules)) {
    test(`python -m procwire run ${target}`, async (t) => {
      const message = await startFailure(t, command(target), { cwd: BROKEN });
      assert.ok(message.includes(` error: ${expected} `), message);
      assert.ok(message.includes(PYTHON), message);
    });
  }

  test("a syntax error", async (t) => {
    // Some Pythons look for modules nowhere near: that of `python -m procwire` does itself.
    const imports = "import sys; sys.path.insert(0, ''); import procwire, syntax";
    for (const script of [command("syntax:client"), ["-c", imports]]) {
      const message = await startFailure(t, script, { cwd: place });
      assert.match(message, / error: SyntaxError: '\(' was never closed \(syntax\.py, line 3\)/);
      assert.ok(message.includes(PYTHON), message);
    }
  });

  const scripts = {
    "import_error.py": noModule,
    "raises.py": "RuntimeError: no model for raises.py: zażółć\nsecond line",
    "twice.py": "ValueError: the method 'same' is registered already",
    "no_methods.py": "ValueError: no method has been registered",
    "no_loop.py": "ValueError: loop is 'auto', 'asyncio', 'uvloop', 'winloop' or a function; got 'trio'",
  };
  for (const [script, expected] of Object.entries(scripts)) {
    test(`python ${script}`, async (t) => {
      const message = await startFailure(t, join("broken", script));
      assert.ok(message.includes(` error: ${expected} `), message);
      assert.ok(message.includes(PYTHON), message);
    });
  }

  test("the traceback is in the worker's log", async (t) => {
    const worker = new Worker(command("raises:client"), { methods, cwd: BROKEN });
    t.after(() => worker.stop());
    await failure(worker.manager.spawn());
    assert.match(worker.log(), /Traceback[^]*raises\.py[^]*RuntimeError: no model/);
  });

  test("each of several attempts is told", async (t) => {
    const policy = { maxRetries: 2, retryDelay: { type: "fixed", delay: 1 } };
    const worker = new Worker(command("raises:client"), { methods, cwd: BROKEN, policy });
    t.after(() => worker.stop());
    const errors = [];
    worker.manager.on("module:spawnFailed", (_, __, error) => errors.push(error.message));
    const error = await failure(worker.manager.spawn());
    assert.equal(error.attempts, 3);
    assert.equal(errors.length, 3);
    for (const message of errors) assert.match(message, /no model for raises\.py/);
  });
});

describe("what was declared is compared before anything is called", () => {
  const declarations = [
    [{ methods: { numbers: undefined } }, /"numbers" response type mismatch .*"result".*"stream"/],
    [{ methods: { echo: { response: "stream" } } }, /"echo" response type mismatch/],
    [{ methods: { echo: { response: "ack" } } }, /"echo" response type mismatch/],
    [{ methods: { echo: { response: "none" } } }, /"echo" response type mismatch/],
    [{ methods: { nothing: undefined } }, /did not register expected method "nothing"/],
    [{ methods, events: { tock: {} } }, /did not register expected event "tock"/],
  ];
  for (const [declared, expected] of declarations) {
    test(`${JSON.stringify(declared)} is refused`, async (t) => {
      const message = await startFailure(t, command("simple"), { cwd: WORKERS, ...declared });
      assert.match(message, expected);
    });
  }

  test("a parent may declare less than there is", async (t) => {
    const worker = await startWorker(t, command("simple"), {
      methods: { numbers: { response: "stream" } },
      events: { tick: {} },
      cwd: WORKERS,
    });
    assert.deepEqual(await worker.collect("numbers", 3), [0, 1, 2]);
  });
});
