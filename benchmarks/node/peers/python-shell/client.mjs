// JSON mode: a line each way, answered in order, so that a queue says whose answer it is.
// JSON has no bytes: they travel as base64.

import { PythonShell } from "python-shell";

import { beside } from "../python.mjs";

export class Peer {
  #waiting = [];
  #items = null;

  constructor({ python }) {
    this.python = python;
  }

  async start() {
    this.shell = new PythonShell(beside(import.meta.url, "worker.py"), {
      mode: "json",
      pythonPath: this.python,
    });
    this.shell.on("message", (message) => this.#receive(message));
    this.pid = this.shell.childProcess.pid;
  }

  #receive(message) {
    if (this.#items === null) this.#waiting.shift()(message);
    else this.#items(message);
  }

  #send(message) {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.shell.send(message);
    });
  }

  async echoRaw(buffer) {
    const { raw } = await this.#send({ raw: buffer.toString("base64") });
    return Buffer.from(raw, "base64");
  }

  async echoMap(map) {
    return (await this.#send({ map })).map;
  }

  async *stream(count) {
    let queue = [];
    let wake = () => {};
    this.#items = (item) => {
      queue.push(item);
      wake();
    };
    this.shell.send({ stream: count });
    try {
      for (;;) {
        if (queue.length === 0) await new Promise((resolve) => (wake = resolve));
        const items = queue;
        queue = [];
        for (const item of items) {
          if (item.end) return;
          yield item;
        }
      }
    } finally {
      this.#items = null;
    }
  }

  async stop() {
    await new Promise((resolve) => this.shell.end(resolve));
  }
}
