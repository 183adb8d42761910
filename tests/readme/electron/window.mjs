// What a window of the page docs/electron.md does, and then the user who closes the application.

import { once } from "node:events";

import { app, world } from "electron";

await import("./main.mjs");
await import("./preload.cjs");

const [name] = Object.keys(world);
const { call, abort } = world[name];
console.log(`exposed: ${Object.keys(world[name]).map((key) => `${name}.${key}`).join(", ")}`);

console.log(await call(1, "greet", "Node"));
await call(2, "constructor").catch((error) => console.log(error.message));

const answer = call(3, "ponder", "why?");
abort(3);
await answer.catch((error) => console.log(error.name));

const quit = once(app, "quit");
app.quit();
await quit;
console.log("the worker is gone");
