// A proxy between the parent and the worker's socket, with faults at a chosen byte.

import { createConnection, createServer } from "node:net";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { WINDOWS } from "./harness.mjs";
import { below } from "./random.mjs";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Waits until a socket takes more, or has gone. */
const roomIn = (socket) =>
  new Promise((resolve) => {
    socket.once("drain", resolve);
    socket.once("close", resolve);
  });

/**
 * Passes bytes on, in both directions.
 *
 * @param random what chooses the pieces
 * @param fault what happens in one direction, "toWorker" or "toParent":
 *   `{ direction, at, piece, stall, end }`; behind the byte `at`:
 *   - `piece`: bytes go on in pieces of random sizes up to this one
 *   - `stall`: nothing goes on for so many milliseconds
 *   - `end(proxy)`: nothing goes on any more
 */
export class FaultProxy {
  passed = { toWorker: 0, toParent: 0 };

  constructor(random, fault) {
    this.random = random;
    this.fault = fault;
    this.ended = false;
    // The side of which nothing is read any more.
    this.frozen = undefined;
    this.happened = new Promise((resolve) => (this.happen = resolve));
  }

  /** Has the parent connect here instead of to the worker. */
  interpose(manager) {
    const connect = manager._connectDataChannel.bind(manager);
    manager._connectDataChannel = async (module, pipe, policy) => {
      this.worker = createConnection({ path: pipe, allowHalfOpen: true });
      await once(this.worker, "connect");
      const directory = mkdtempSync(join(tmpdir(), "procwire-proxy-"));
      // Nobody else has the directory's name.
      const address = WINDOWS
        ? `\\\\.\\pipe\\${basename(directory)}`
        : join(directory, "s");
      const server = createServer({ allowHalfOpen: true });
      server.listen(address);
      await once(server, "listening");
      const accepted = once(server, "connection");
      await connect(module, address, policy);
      [this.parent] = await accepted;
      server.close();
      rmSync(directory, { recursive: true });
      this.pass(this.parent, this.worker, "toWorker");
      this.pass(this.worker, this.parent, "toParent");
    };
  }

  pass(source, target, direction) {
    const fault = direction === this.fault.direction ? this.fault : {};
    source.on("error", () => {});
    source.on("data", async (data) => {
      // What comes behind the end of the link is thrown away.
      if (this.ended) return;
      source.pause();
      await this.passOn(data, target, direction, fault);
      if (source !== this.frozen) source.resume();
    });
    source.on("end", () => {
      if (!this.ended) target.end();
    });
    source.on("close", () => {
      if (!this.ended) target.destroy();
    });
  }

  async passOn(data, target, direction, fault) {
    let rest = data;
    while (rest.length > 0 && !this.ended && !target.destroyed) {
      const begun = this.passed[direction] >= (fault.at ?? Infinity);
      let size = rest.length;
      if (begun) {
        this.happen();
        if (fault.end) {
          this.ended = true;
          fault.end(this);
          return;
        }
        if (fault.stall) await this.stall(fault);
        if (fault.piece) size = 1 + below(this.random, Math.min(fault.piece, size));
      } else if (fault.at !== undefined) {
        size = Math.min(size, fault.at - this.passed[direction]);
      }
      this.passed[direction] += size;
      const room = target.write(rest.subarray(0, size));
      rest = rest.subarray(size);
      if (!room) await roomIn(target);
      else if (begun && fault.piece) await turn();
    }
  }

  async stall(fault) {
    const { stall } = fault;
    fault.stall = 0;
    await new Promise((resolve) => setTimeout(resolve, stall));
  }

  /** Ends one side with bytes in it that nobody has read: the other sees ECONNRESET. */
  reset(socket) {
    this.frozen = socket;
    socket.pause();
    setTimeout(() => socket.destroy(), 20);
  }

  /** Ends what is left of the link. */
  close() {
    this.ended = true;
    this.worker?.destroy();
    this.parent?.destroy();
  }
}
