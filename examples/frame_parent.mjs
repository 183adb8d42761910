// DataFrames: a year's temperatures as an Arrow table, what Polars makes of it as tables.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

import { arrowCodec } from "@procwire/codecs/arrow";
import { Module, ModuleManager } from "@procwire/core";
import { tableFromArrays } from "apache-arrow";

import { runIfMain } from "./account.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));

const STATIONS = { Gdańsk: [8.5, 10], Lisboa: [17.5, 6.5], Reykjavík: [5, 6] };
const DAYS = 366;

export async function run(python, log) {
  const worker = new Module("frame")
    .executable(python, ["-m", "procwire", "run", "frame_worker"], { cwd: HERE })
    .method("summary", { codec: arrowCodec })
    .method("warm_spells", { codec: arrowCodec, response: "stream" })
    .spawnPolicy({ maxRetries: 0 });

  const manager = new ModuleManager();
  manager.register(worker);
  await manager.spawn();
  try {
    const year = measure();
    log("summary(table): rows sent", year.numRows);
    const summary = await worker.send("summary", year);
    for (const row of summary) log(`  ${row.station}`, row.toJSON());
    assert.equal(summary.numRows, 3);

    for await (const spells of worker.stream("warm_spells", year)) {
      const [{ station, start, days }] = spells;
      const first = { from: new Date(start).toISOString().slice(0, 10), days };
      log(`warm_spells: ${station}`, { spells: spells.numRows, first });
      assert.ok(days >= 4);
    }
  } finally {
    await manager.shutdown();
  }
}

/** Each station's temperature on each day of 2024; typed arrays keep their type. */
function measure() {
  const names = Object.keys(STATIONS);
  const length = names.length * DAYS;
  const station = Array.from({ length }, (_, i) => names[Math.floor(i / DAYS)]);
  const day = Array.from({ length }, (_, i) => new Date(Date.UTC(2024, 0, 1 + (i % DAYS))));
  const temperature = Float64Array.from({ length }, (_, i) => {
    const [mean, swing] = STATIONS[station[i]];
    const season = -Math.cos((2 * Math.PI * ((i % DAYS) - 20)) / DAYS);
    return Math.round((mean + swing * season + 4 * Math.sin(i * 0.7) * Math.cos(i * 0.13)) * 10) / 10;
  });
  return tableFromArrays({ station, day, temperature });
}

await runIfMain(import.meta.url, run);
