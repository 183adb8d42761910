// Right calls of the module made from workers/typed.py, and wrong ones: tsc must refuse each line
// below an @ts-expect-error, and no other.

import { ModuleManager } from "@procwire/core";
import { typed, type Item, type ItemInput, type Json, type Tree } from "./typed.js";

const worker = typed("worker").executable("python3", ["typed.py"]);
new ModuleManager().register(worker);

const given: ItemInput = { id: 1, blob: new Uint8Array(2), at: new Date(), by_year: { 1999: [1] } };
const stored: Item = await worker.send("store", given);
const blob: Buffer = stored.blob;
const at: Date | null = stored.at;
const total: number = (await worker.send("sum_up", [{ id: 1, order: "up" }])).total;
const tree: Tree | null = await worker.send("grow", { value: 1, children: [{ value: 2 }] });
const norm: number = await worker.send("norms", [1]);
const nothing: void = await worker.send("forget", { name: "a" });
const bytes: Buffer = await worker.send("raw-bytes", Buffer.from("a"));
const { signal } = new AbortController();
await worker.send("begin", { depth: 1, ids: { 5: "uuid" } }, { signal });
await worker.send("describe_pet", { type: "Dog", weight: 1.5 });
await worker.send("anything", { at: "all" });
const account = await worker.send("sign_up", { userName: "a", password: "b", address: {} });
const greeting: string = account["user-name"] + account.greeting + account.city;
const text: Json = await worker.send("json", { a: ["b", 1, null, { c: [] }] });
const name: string | undefined = (await worker.send("shorten", { id: 1 })).name;
const photo: Buffer = (await worker.send("change", { id: 1 })).photo;
const style: [number, string | null] = await worker.send("restyle", [1]);
const edge: ["Edge", number, number] = await worker.send("connect", ["Edge", 1, 2]);
for await (const letter of worker.stream("letters", "a")) letter.toUpperCase();
const off: () => void = worker.onEvent("stored", ({ by_year }) => by_year[1999]?.length);
worker.onEvent("noise", (data) => data.readUInt8(0));

// @ts-expect-error: a field of another type
await worker.send("store", { id: "1" });
// @ts-expect-error: a field is missing
await worker.send("store", { name: "a" });
// @ts-expect-error: a field that nobody knows
await worker.send("store", { id: 1, colour: "red" });
// @ts-expect-error: no value of the enum
await worker.send("store", { id: 1, order: "sideways" });
// @ts-expect-error: null for a field that has a default
await worker.send("store", { id: 1, name: null });
// @ts-expect-error: no such tag
await worker.send("describe_pet", { type: "Cow", lives: 1 });
// @ts-expect-error: a tag's fields
await worker.send("describe_pet", { type: "Cat", weight: 1 });
// @ts-expect-error: an array for an object
await worker.send("begin", [1]);
// @ts-expect-error: too many items of a tuple
await worker.send("norms", [1, 2, 3]);
// @ts-expect-error: a string for bytes
await worker.send("raw-bytes", "a");
// @ts-expect-error: the name that a field has on the way back
await worker.send("sign_up", { "user-name": "a", password: "b" });
// @ts-expect-error: a field that is not sent back
account.password;
// @ts-expect-error: no form of its own
await worker.send("json", { root: new Date() });
// @ts-expect-error: a field that may not be there
const sparse: string = (await worker.send("shorten", { id: 1, name: "a" })).name;
// @ts-expect-error: another one
const changed: string = (await worker.send("change", { id: 1, name: "a" })).name;
// @ts-expect-error: nothing in front of what must be there may be left out
await worker.send("connect", ["Edge", 1]);
// @ts-expect-error: no such method
await worker.send("nosuch", {});
// @ts-expect-error: a stream is no result
await worker.send("letters", "a");
// @ts-expect-error: a result is no stream
worker.stream("store", { id: 1 });
// @ts-expect-error: a stream of other letters
worker.stream("letters", "c");
// @ts-expect-error: the answer is another type
const word: string = (await worker.send("sum_up", [])).total;
// @ts-expect-error: the answer may be null
const value: number = (await worker.send("grow", { value: 1 })).value;
// @ts-expect-error: what a worker receives is not all that a parent gets
const input: Item = given;
// @ts-expect-error: no such event
worker.onEvent("nosuch", () => {});
// @ts-expect-error: the event has no such field
worker.onEvent("stored", ({ nosuch }) => nosuch);

void [blob, at, total, tree, norm, nothing, bytes, off, word, value, input];
void [greeting, text, name, photo, style, edge, sparse, changed];
