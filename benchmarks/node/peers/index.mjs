// The peers, and what their Python side imports.

import { importsOf } from "./python.mjs";

export const PEERS = [
  {
    key: "procwire-asyncio",
    label: "procwire, Python (asyncio)",
    folder: "procwire",
    options: { worker: "asyncio" },
    imports: ["procwire"],
  },
  {
    key: "procwire-uvloop",
    label: "procwire, Python (uvloop)",
    folder: "procwire",
    options: { worker: "uvloop" },
    imports: ["procwire", "uvloop"],
  },
  {
    key: "procwire-node",
    label: "procwire, Node worker",
    folder: "procwire",
    options: { worker: "node" },
    imports: [],
  },
  // The other way round: parent.py, with procwire.parent, drives the same workers.
  {
    key: "parent-asyncio",
    label: "procwire.parent (asyncio), Python (asyncio)",
    parent: "asyncio",
    options: { worker: "asyncio" },
    imports: ["procwire.parent"],
  },
  {
    key: "parent-uvloop",
    label: "procwire.parent (uvloop), Python (uvloop)",
    parent: "uvloop",
    options: { worker: "uvloop" },
    imports: ["procwire.parent", "uvloop"],
  },
  {
    key: "parent-node",
    label: "procwire.parent (asyncio), Node worker",
    parent: "asyncio",
    options: { worker: "node" },
    imports: ["procwire.parent"],
  },
  {
    key: "python-shell",
    label: "python-shell (JSON lines, base64)",
    folder: "python-shell",
    imports: [],
  },
  {
    key: "zeromq",
    label: "zeromq.js + pyzmq (asyncio)",
    folder: "zeromq",
    imports: ["zmq.asyncio", "msgpack"],
  },
  {
    key: "http-asyncio",
    label: "HTTP: undici + uvicorn (asyncio), bare ASGI",
    folder: "http",
    options: { loop: "asyncio" },
    imports: ["uvicorn", "httptools"],
  },
  {
    key: "http-uvloop",
    label: "HTTP: undici + uvicorn (uvloop), bare ASGI",
    folder: "http",
    options: { loop: "uvloop" },
    imports: ["uvicorn", "uvloop", "httptools"],
  },
  {
    key: "grpc",
    label: "gRPC: grpc-js + grpc.aio",
    folder: "grpc",
    imports: ["grpc.aio", "grpc_tools"],
  },
];

/** The peer's class; throws where a package of it is missing. */
export async function loadPeer(peer) {
  const { Peer } = await import(`./${peer.folder}/client.mjs`);
  return Peer;
}

/** Why the peer cannot run here, or null. Prepares what it needs to be built first. */
export async function whatIsMissing(peer, python) {
  if (peer.parent) return importsOf(python, peer.imports);
  let Peer;
  try {
    Peer = await loadPeer(peer);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    return error.message.split(" imported from")[0];
  }
  const missing = importsOf(python, peer.imports);
  if (missing) return missing;
  Peer.prepare?.(python);
  return null;
}
