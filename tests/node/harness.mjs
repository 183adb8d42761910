// Runs a Python worker under the real @procwire/core parent, and makes sure that it is gone and
// has left nothing behind when the tests are over.
//
// PYTHON is the interpreter, LOOP the worker's event loop, WORKER_LOGS a directory where the
// workers' standard error is kept (by default one of its own, removed at the end).

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { Module, ModuleManager } from "@procwire/core";

export const PYTHON = process.env.PYTHON ?? "python3";
export const LOOP = process.env.LOOP ?? "asyncio";
export const WORKERS = fileURLToPath(new URL("./workers/", import.meta.url));
export const WINDOWS = process.platform === "win32";

// What puts a worker's standard error into a file where no shell does.
const ON_WINDOWS = WINDOWS
  ? {
      PYTHONPATH: [fileURLToPath(new URL("./windows/", import.meta.url)), process.env.PYTHONPATH]
        .filter(Boolean)
        .join(delimiter),
    }
  : {};

/** The longest that anything here may take. Tests wait for conditions, this only ends a hang. */
export const PATIENCE = 15_000;

// What Python or asyncio print when something was forgotten.
const LEFTOVERS = new RegExp(
  "^.*(never awaited|never retrieved|was destroyed but it is pending|ResourceWarning|" +
    "Exception ignored|Exception in callback|Fatal error).*$",
  "gm",
);

let logs = process.env.WORKER_LOGS;
if (logs === undefined) {
  logs = mkdtempSync(join(tmpdir(), "procwire-node-tests-"));
  process.on("exit", () => rmSync(logs, { recursive: true, force: true }));
} else {
  mkdirSync(logs, { recursive: true });
}
let started = 0;

/** A promise that rejects when `promise` has not settled in time. */
export async function within(promise, what = "an answer", limit = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limit} ms for ${what}`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks again and again until `condition()` holds; for what nothing tells of. */
export async function until(condition, what, limit = PATIENCE) {
  const deadline = Date.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${limit} ms until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A parent whose seams with the child can be watched. */
export class Manager extends ModuleManager {
  pongs = 0;
  controlOutput = "";

  _spawnProcess(module) {
    this.process = super._spawnProcess(module);
    this.exited = once(this.process, "exit");
    return this.process;
  }

  _waitForInit(module, process, timeout) {
    const init = super._waitForInit(module, process, timeout);
    // After the parent's own reader, which would miss what comes before it listens.
    process.stdout.on("data", (data) => (this.controlOutput += data));
    return init;
  }

  handlePong(name) {
    super.handlePong(name);
    this.pongs += 1;
    this.emit("pong");
  }
}

/**
 * A worker that has not been spawned yet.
 *
 * @param script the worker's file name, or all arguments of the interpreter
 * @param methods name → what `Module.method()` takes
 * @param events name → what `Module.event()` takes
 * @param policy for `Module.spawnPolicy()`
 * @param env, cwd for the process
 */
export class Worker {
  constructor(script, { methods = {}, events = {}, policy = {}, env = {}, cwd } = {}) {
    const args = Array.isArray(script) ? script : [join(WORKERS, script)];
    started += 1;
    this.logFile = join(logs, `${process.pid}-${started}.log`);
    writeFileSync(this.logFile, "");
    // The parent lets the worker inherit its standard error, so that goes to a file before.
    const command = WINDOWS
      ? [PYTHON, ...args]
      : ["/bin/sh", "-c", 'exec "$@" 2>>"$WORKER_LOG"', "sh", PYTHON, ...args];
    this.module = new Module(`worker-${started}`)
      .executable(command[0], command.slice(1), {
        env: { LOOP, PYTHONWARNINGS: "error", WORKER_LOG: this.logFile, ...ON_WINDOWS, ...env },
        cwd,
      })
      .spawnPolicy({ maxRetries: 0, initTimeout: PATIENCE, ...policy });
    // core 1.1 does not have it yet.
    this.module.requestTimeout?.(PATIENCE);
    for (const [name, config] of Object.entries(methods)) this.module.method(name, config);
    for (const [name, config] of Object.entries(events)) this.module.event(name, config);
    this.manager = new Manager().register(this.module);
    this.troubles = [];
    this.manager.on("module:error", (_, error) => this.troubles.push(error));
    this.module.on("error", (error) => this.troubles.push(error));
    this.frames = [];
  }

  async start() {
    const handleFrame = this.module._handleFrame.bind(this.module);
    this.module._handleFrame = (frame) => {
      const { methodId, flags, requestId, payloadLength } = frame.header;
      this.frames.push({ methodId, flags, requestId, payloadLength });
      handleFrame(frame);
    };
    try {
      await this.manager.spawn();
    } catch (error) {
      error.message += `\n${this.log().slice(-2000)}`;
      throw error;
    }
    return this;
  }

  get pid() {
    return this.manager.process.pid;
  }

  send(method, data, options) {
    return this.module.send(method, data, options);
  }

  stream(method, data, options) {
    return this.module.stream(method, data, options);
  }

  /** All chunks of a stream. */
  async collect(method, data, options) {
    const chunks = [];
    const all = async () => {
      for await (const chunk of this.stream(method, data, options)) chunks.push(chunk);
      return chunks;
    };
    return within(all(), `the end of the stream ${method}`);
  }

  /** The next `count` payloads of an event; call it before what emits them. */
  events(name, count = 1) {
    const seen = [];
    const all = new Promise((resolve) => {
      const off = this.module.onEvent(name, (data) => {
        if (seen.push(data) < count) return;
        off();
        resolve(seen);
      });
    });
    return within(all, `${count} × the event ${name}, ${seen.length} came`);
  }

  async event(name) {
    return (await this.events(name, 1))[0];
  }

  /** The id of the request that is sent next. */
  get nextRequestId() {
    return this.module._nextRequestId;
  }

  /** The flags of each frame that the worker has sent for a request, as hex digits. */
  flagsOf(requestId) {
    return this.frames
      .filter((frame) => frame.requestId === requestId)
      .map(({ flags }) => flags.toString(16).padStart(2, "0"));
  }

  log() {
    return readFileSync(this.logFile, "utf8").replaceAll("\r\n", "\n");
  }

  logged(pattern) {
    return until(() => this.log().match(pattern), `${pattern} is in the log`);
  }

  /** Ends the worker; it must go willingly and leave nothing behind. */
  async stop() {
    if (this.manager.process === undefined) return;
    // The parent kills whom it could not start, and whose connection it has lost.
    const wasReady = this.module.state === "ready";
    await this.manager.shutdown();
    if (wasReady) assert.deepEqual(await this.manager.exited, [0, null], "exit code and signal");
    assert.equal(this.log().match(LEFTOVERS), null);
  }
}

/** A worker for one test. */
export async function startWorker(t, script, options) {
  const worker = new Worker(script, options);
  t.after(() => worker.stop());
  return worker.start();
}

/** A worker for all tests of a file. */
export function sharedWorker(script, options) {
  const worker = new Worker(script, options);
  before(() => worker.start());
  after(() => worker.stop());
  return worker;
}

/** The error with which a promise rejects. */
export async function failure(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  return assert.fail(`no error, but ${JSON.stringify(value)}`);
}
