// undici over a Unix socket. Maps are JSON, a stream is a chunked response of JSON lines.

import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";

import { beside, SocketWorker } from "../python.mjs";

// The fastest of seven settings, 1 to 128 connections with 1 to 10 requests each, each tried once
// on a busy machine.  Without pipelining, undici's default.
const CONNECTIONS = 32;

export class Peer {
  constructor({ python, loop }) {
    this.python = python;
    this.loop = loop;
  }

  async start() {
    this.worker = new SocketWorker(this.python, beside(import.meta.url, "worker.py"), [this.loop]);
    this.pid = this.worker.pid;
    await this.#listening();
    this.pool = new Pool("http://localhost", {
      socketPath: this.worker.socket,
      connections: CONNECTIONS,
    });
  }

  async #listening() {
    for (;;) {
      const socket = connect(this.worker.socket);
      const [error] = await Promise.race([once(socket, "connect"), once(socket, "error")]).catch(
        (reason) => [reason],
      );
      socket.destroy();
      if (!error) return;
      if (this.worker.child.exitCode !== null) throw new Error("the worker ended at its start");
      await sleep(2);
    }
  }

  async #post(path, body) {
    const answer = await this.pool.request({ path, method: "POST", body });
    if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
    return answer.body;
  }

  async echoRaw(buffer) {
    return Buffer.from(await (await this.#post("/raw", buffer)).arrayBuffer());
  }

  async echoMap(map) {
    return (await this.#post("/map", JSON.stringify(map))).json();
  }

  async *stream(count) {
    const body = await this.#post("/stream", String(count));
    body.setEncoding("utf8");
    let rest = "";
    for await (const text of body) {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) yield JSON.parse(line);
    }
  }

  async stop() {
    await this.pool.destroy();
    await this.worker.stop();
  }
}
