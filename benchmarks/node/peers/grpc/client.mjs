// grpc-js over a Unix socket. Its own encoding, protobuf, is a map's.

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { credentials, loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

import { beside, SocketWorker } from "../python.mjs";

const HERE = beside(import.meta.url, ".");
const PROTO = beside(import.meta.url, "echo.proto");
const GENERATED = beside(import.meta.url, "../../../../build/bench-grpc");
const NO_LIMIT = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };

export class Peer {
  static prepare(python) {
    mkdirSync(GENERATED, { recursive: true });
    const where = [`-I${HERE}`, `--python_out=${GENERATED}`, `--grpc_python_out=${GENERATED}`];
    const protoc = spawnSync(python, ["-m", "grpc_tools.protoc", ...where, PROTO]);
    if (protoc.status !== 0) throw new Error(`protoc: ${protoc.stderr}`);
  }

  constructor({ python }) {
    this.python = python;
  }

  async start() {
    process.env.PYTHONPATH = [GENERATED, process.env.PYTHONPATH].filter(Boolean).join(":");
    this.worker = new SocketWorker(this.python, beside(import.meta.url, "worker.py"));
    this.pid = this.worker.pid;
    const { bench } = loadPackageDefinition(loadSync(PROTO, { defaults: true }));
    await this.worker.ready();
    const address = `unix:${this.worker.socket}`;
    this.client = new bench.Echo(address, credentials.createInsecure(), NO_LIMIT);
  }

  #call(method, request) {
    return new Promise((resolve, reject) => {
      this.client[method](request, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }

  async echoRaw(data) {
    return (await this.#call("EchoRaw", { data })).data;
  }

  echoMap(map) {
    return this.#call("EchoMap", map);
  }

  stream(count) {
    return this.client.Stream({ count });
  }

  async stop() {
    this.client.close();
    await this.worker.stop();
  }
}
