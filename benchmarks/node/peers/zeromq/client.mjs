// DEALER to ROUTER over ipc://; a message is [request id, method, body].

import { decode, encode } from "@msgpack/msgpack";
import { Dealer } from "zeromq";

import { beside, SocketWorker } from "../python.mjs";

const STREAM_END = Buffer.from("end");

export class Peer {
  #dealer = new Dealer({ linger: 0 });
  #waiting = new Map();
  #outgoing = [];
  #sending = false;
  #nextId = 1;

  constructor({ python }) {
    this.python = python;
  }

  async start() {
    this.worker = new SocketWorker(this.python, beside(import.meta.url, "worker.py"));
    this.pid = this.worker.pid;
    await this.worker.ready();
    this.#dealer.connect(`ipc://${this.worker.socket}`);
    this.#receive();
  }

  async #receive() {
    for await (const [id, body, end] of this.#dealer) {
      this.#waiting.get(id.readUInt32BE())(body, end);
    }
  }

  // A socket takes one send at a time.
  async #flush() {
    this.#sending = true;
    while (this.#outgoing.length > 0) {
      const messages = this.#outgoing;
      this.#outgoing = [];
      for (const message of messages) await this.#dealer.send(message);
    }
    this.#sending = false;
  }

  #send(method, body, receiver) {
    const id = Buffer.allocUnsafe(4);
    id.writeUInt32BE(this.#nextId);
    this.#waiting.set(this.#nextId, receiver);
    this.#outgoing.push([id, method, body]);
    if (!this.#sending) this.#flush();
    return this.#nextId++;
  }

  #call(method, body) {
    return new Promise((resolve) => {
      const id = this.#send(method, body, (answer) => {
        this.#waiting.delete(id);
        resolve(answer);
      });
    });
  }

  echoRaw(buffer) {
    return this.#call("raw", buffer);
  }

  async echoMap(map) {
    return decode(await this.#call("map", encode(map)));
  }

  async *stream(count) {
    let queue = [];
    let wake = () => {};
    const id = this.#send("stream", encode(count), (body, end) => {
      queue.push(end ? STREAM_END : body);
      wake();
    });
    try {
      for (;;) {
        if (queue.length === 0) await new Promise((resolve) => (wake = resolve));
        const bodies = queue;
        queue = [];
        for (const body of bodies) {
          if (body === STREAM_END) return;
          yield decode(body);
        }
      }
    } finally {
      this.#waiting.delete(id);
    }
  }

  async stop() {
    this.#dealer.close();
    await this.worker.stop();
  }
}
