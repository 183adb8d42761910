// The life of a worker: authentication, heartbeat, time limits, and every way to end.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { LOOP, WINDOWS, Worker, failure, startWorker, until, within } from "./harness.mjs";

const METHODS = {
  echo: undefined,
  facts: undefined,
  hold: { cancellable: true },
  stream: { response: "stream" },
  deaf: undefined,
  block_thread: undefined,
  block_loop: undefined,
  keep_lock: undefined,
  gate: undefined,
  crash: undefined,
  quick: undefined,
  quick_ack: { response: "ack" },
  unhurried: undefined,
};

/** Handlers that do not end, whatever they are told. */
const HANGING = [
  ["deaf", null],
  ["block_thread", 3600],
  ["block_loop", 3600],
];

const start = (t, options) => startWorker(t, "life.py", { methods: METHODS, ...options });

for (const auth of [false, true]) {
  test(`a worker knows its name and loop, handlers know no secrets: auth ${auth}`, async (t) => {
    const worker = await start(t, { policy: { auth }, env: { PROCWIRE_TOKEN: "stray" } });
    const facts = await worker.send("facts", null);
    assert.deepEqual(facts, {
      loop: LOOP,
      module_name: worker.module.name,
      connected: true,
      environment: [],
      stdin: "",
      cwd: process.cwd(),
    });
  });
}

test("the address is private, and nobody else's once the parent is there", async (t) => {
  const worker = new Worker("life.py", { methods: METHODS });
  t.after(() => worker.stop());
  const { manager } = worker;
  const connect = manager._connectDataChannel.bind(manager);
  let path;
  manager._connectDataChannel = (module, pipe, policy) => {
    path = pipe;
    if (WINDOWS) {
      // Who may open it is asked in tests/windows.
      assert.match(pipe, /^\\\\\.\\pipe\\procwire-\d+-[0-9a-f]{32}$/);
    } else {
      assert.equal(statSync(pipe).mode & 0o077, 0);
      assert.equal(statSync(dirname(pipe)).mode & 0o077, 0);
    }
    return connect(module, pipe, policy);
  };
  await worker.start();
  assert.equal(await worker.send("echo", 1), 1);
  if (WINDOWS) assert.throws(() => openSync(path, "r+"), { code: "EBUSY" });
  else assert.ok(!existsSync(path), path);
});

test("strangers who connect first do not keep the parent out", async (t) => {
  const worker = new Worker("life.py", { methods: METHODS, policy: { auth: true } });
  t.after(() => worker.stop());
  const { manager } = worker;
  const connect = manager._connectDataChannel.bind(manager);
  const closed = [];
  manager._connectDataChannel = async (module, pipe, policy) => {
    const openings = {
      silent: [],
      "wrong token": [0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x78],
      "no token": [0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      "a request": [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0],
      "method 0": [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
      "a gigabyte": [0xff, 0xfe, 0, 0, 0, 0, 0, 0x40, 0, 0, 0],
    };
    for (const [name, bytes] of Object.entries(openings)) {
      const socket = createConnection(pipe);
      closed.push(once(socket, "close").then(() => name));
      socket.on("data", () => assert.fail(`an answer to ${name}`));
      await once(socket, "connect");
      if (bytes.length) socket.write(Buffer.from(bytes));
    }
    return connect(module, pipe, policy);
  };
  await worker.start();
  assert.equal(await worker.send("echo", "in"), "in");
  assert.equal((await within(Promise.all(closed), "the strangers' end")).length, 6);
  assert.equal(await worker.send("echo", "still in"), "still in");
});

describe("heartbeat", () => {
  const heartbeat = { intervalMs: 20, timeoutMs: 10_000 };

  test("every $ping gets its $pong, also while threads are busy", async (t) => {
    const worker = await start(t, { policy: { heartbeat } });
    const passing = worker.send("gate", false);
    await within(until(() => worker.manager.pongs >= 5, "five pongs came"));
    assert.equal(await worker.send("gate", true), "opened");
    assert.equal(await passing, "passed");
    assert.deepEqual(worker.troubles, []);
  });

  test("a burst of pings is answered", async (t) => {
    const worker = await start(t, { policy: { heartbeat } });
    for (let i = 0; i < 1000; i++) worker.manager._sendHeartbeatPing(worker.module);
    await worker.send("echo", null);
    const { pongs } = worker.manager;
    await until(() => worker.manager.pongs > pongs, "another pong came");
  });

  test("a parent without patience kills a worker whose loop is blocked", async (t) => {
    const policy = { heartbeat: { intervalMs: 20, timeoutMs: 200 } };
    const worker = await start(t, { policy });
    await until(() => worker.manager.pongs > 0, "a pong came");
    const error = await failure(worker.send("block_loop", 60));
    assert.equal(error.message, "Module disconnected");
    assert.deepEqual(await worker.manager.exited, [null, "SIGKILL"]);
    assert.match(worker.troubles[0].message, /missed heartbeat/);
  });

  test("a worker whose process is to be alive may keep Python's lock", async (t) => {
    const policy = { heartbeat: { intervalMs: 20, timeoutMs: 1000 } };
    const env = { OPTIONS: JSON.stringify({ liveness: "process" }) };
    const worker = await start(t, { policy, env });
    const keeping = worker.send("keep_lock", 3);
    await worker.logged(/holding/);
    const { pongs } = worker.manager;
    assert.equal(await keeping, "kept");
    assert.ok(worker.manager.pongs > pongs + 10, `${worker.manager.pongs - pongs} pongs`);
    assert.deepEqual(worker.troubles, []);
  });

  test("the log says what was stuck before the parent kills", async (t) => {
    const policy = { heartbeat: { intervalMs: 20, timeoutMs: 2000 } };
    const env = { OPTIONS: JSON.stringify({ stall_report: 0.5 }) };
    const worker = await start(t, { policy, env });
    worker.send("hold", null).catch(() => {});
    await worker.logged(/holding/);
    const request = worker.nextRequestId;
    const error = await failure(worker.send("keep_lock", 60));
    assert.equal(error.message, "Module disconnected");
    assert.deepEqual(await worker.manager.exited, [null, "SIGKILL"]);
    const stuck = `running: keep_lock #${request}; in flight: hold #${request - 1}`;
    assert.equal(worker.log().match(/has stood still/g).length, 1);
    assert.ok(worker.log().includes(stuck), worker.log());
    // On Windows the stacks wait for the lock.
    if (!WINDOWS) assert.match(worker.log(), /File ".*life\.py", line \d+ in keep_lock/);
  });
});

describe("time limits", () => {
  test("the parent uses the limit that the worker publishes", async (t) => {
    const worker = await start(t);
    for (const method of ["quick", "quick_ack"]) {
      const begun = performance.now();
      const error = await failure(worker.send(method, null));
      assert.equal(error.message, `Timeout waiting for response from "${method}"`);
      assert.ok(performance.now() - begun < 5000);
    }
    assert.deepEqual(worker.module._childSchema.methods.quick, {
      id: 11,
      response: "result",
      timeout: 50,
    });
  });

  test("0 is no limit, whatever the parent's default is", async (t) => {
    const worker = new Worker("life.py", { methods: METHODS });
    t.after(() => worker.stop());
    worker.module.requestTimeout(50);
    await worker.start();
    assert.equal(await worker.send("unhurried", 0.3), "done");
    assert.match((await failure(worker.send("hold", null))).message, /^Timeout/);
  });

  test("the parent's own limit wins when it is shorter", async (t) => {
    const unhurried = { timeout: 20 };
    const worker = await startWorker(t, "life.py", { methods: { unhurried } });
    const error = await failure(worker.send("unhurried", 3600));
    assert.match(error.message, /^Timeout waiting for response from "unhurried"/);
  });

  test("when it is longer, the worker's ends the request", async (t) => {
    const quick = { timeout: 10_000 };
    const worker = await startWorker(t, "life.py", { methods: { quick } });
    const error = await failure(worker.send("quick", null));
    assert.equal(error.data.code, "E_TIMEOUT");
  });
});

describe("$shutdown", () => {
  test("an idle worker exits with 0, at once", async (t) => {
    const worker = await start(t);
    await worker.send("echo", null);
    const begun = performance.now();
    await worker.stop();
    assert.ok(performance.now() - begun < 2000);
  });

  test("so do workers that have never been called", async (t) => {
    for (let i = 0; i < 3; i++) {
      const workers = [1, 2, 3, 4].map(() => new Worker("life.py", { methods: METHODS }));
      // Not stop(), which reads the log as well: asyncio itself forgets a connection that it is
      // about to accept when the listener closes, and a ResourceWarning says so.
      const shutDown = () => Promise.all(workers.map(({ manager }) => manager.shutdown()));
      t.after(shutDown);
      await Promise.all(workers.map((worker) => worker.start()));
      await shutDown();
      for (const { manager } of workers) assert.deepEqual(await manager.exited, [0, null]);
    }
  });

  test("handlers clean up first", async (t) => {
    const worker = await start(t);
    const held = failure(worker.send("hold", null));
    await worker.logged(/holding/);
    const stream = worker.stream("stream", null);
    await stream.next();
    const rest = failure(stream.next());
    const begun = performance.now();
    await worker.stop();
    assert.ok(performance.now() - begun < 2000);
    assert.equal((await held).message, "Module disconnected");
    assert.equal((await rest).message, "Module disconnected");
    assert.match(worker.log(), /coroutine cleaned up, aborted=True/);
    assert.match(worker.log(), /generator cleaned up/);
  });
});

describe("handlers that hang do not outlive $shutdown for long", { concurrency: true }, () => {
  for (const [method, data] of HANGING) {
    test(method, async (t) => {
      const worker = await start(t);
      worker.send(method, data).catch(() => {});
      await worker.logged(/holding/);
      await worker.manager.shutdown();
      const [, killer] = await worker.manager.exited;
      assert.equal(killer, null, "the parent, who kills after 5 s, has not had to");
    });
  }
});

for (const signal of ["SIGTERM", "SIGINT"]) {
  // What Windows has is Ctrl-Break, which Node cannot send: it is in tests/windows.
  const skip = WINDOWS && "Windows has no signals: Node ends the process itself";
  test(`${signal} is a good-bye, too`, { skip }, async (t) => {
    const worker = await start(t);
    const held = failure(worker.send("hold", null));
    await worker.logged(/holding/);
    process.kill(worker.pid, signal);
    // Not of the signal itself; but when the data connection ends first, this parent kills.
    const [code, killer] = await within(worker.manager.exited, "the exit");
    assert.ok(code === 0 || killer === "SIGKILL", `${code}, ${killer}`);
    assert.match(worker.log(), /coroutine cleaned up, aborted=True/);
    assert.equal((await held).message, "Module disconnected");
  });
}

/** Milliseconds between a parent's death and its worker's, and what the worker has printed. */
async function outlived(t, calls) {
  const script = fileURLToPath(new URL("parents/spawn_and_hold.mjs", import.meta.url));
  const parent = spawn(process.execPath, [script, JSON.stringify(calls)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => parent.kill("SIGKILL"));
  let output = "";
  parent.stderr.on("data", (data) => (output += data));
  const [pid] = await within(once(createInterface(parent.stdout), "line"), "the parent");
  await until(() => output.split("holding").length > calls.length, "all handlers have begun");
  // "close" comes when nobody has the parent's standard error any more, which the worker shares.
  const closed = once(parent, "close");
  parent.kill("SIGKILL");
  await once(parent, "exit");
  const begun = performance.now();
  try {
    await within(closed, "the worker's end");
  } catch (error) {
    process.kill(Number(pid), "SIGKILL");
    throw error;
  }
  return [performance.now() - begun, output];
}

describe("when the parent is killed", () => {
  test("an idle worker is gone soon", async (t) => {
    const [milliseconds, output] = await outlived(t, []);
    assert.ok(milliseconds < 3500, `${milliseconds} ms: that is the grace for what hangs`);
    assert.equal(output, "");
  });

  // What they do at the end of standard input is in tests/integration.
  const skip = WINDOWS && "Node has Windows end its children with it, at once";
  test("handlers clean up, and the worker is gone soon", { skip }, async (t) => {
    const [milliseconds, output] = await outlived(t, [["hold", 1], ["hold", 2]]);
    assert.ok(milliseconds < 3500, `${milliseconds} ms: that is the grace for what hangs`);
    assert.equal(output.match(/coroutine cleaned up, aborted=True/g).length, 2);
  });
});

describe("handlers that hang do not outlive the parent for long", { concurrency: true }, () => {
  for (const [method, data] of HANGING) {
    test(method, async (t) => {
      const [milliseconds] = await outlived(t, [[method, data]]);
      assert.ok(milliseconds < 8000, `${milliseconds} ms`);
    });
  }
});

test("a worker that crashes is started anew, and answers", async (t) => {
  const worker = await start(t, { policy: { restartOnCrash: true } });
  const ready = once(worker.manager, "module:ready");
  const error = await failure(worker.send("crash", 3));
  assert.equal(error.message, "Module disconnected");
  assert.deepEqual(await worker.manager.exited, [3, null]);
  await within(ready, "the restart");
  assert.equal(await worker.send("echo", "again"), "again");
});
