/**
 * Another process at the same database. Its argument: what to do, and how to open it, as JSON. It begins when it is told something, and
 * says a line for each thing it did.
 */
import { writeSync } from "node:fs";
import { systemClock as clock } from "#base/clock.ts";
import { type ControlDatabase, openPostgresControlDatabase, openSqliteControlDatabase } from "#control/database/index.ts";
import { steps } from "#control/database/migrate.ts";
import { audit, notes } from "#control/database/tables.ts";
import { silentLogger as logger } from "#telemetry/logger.ts";
import type { DatabaseLogin } from "../support/postgres.ts";
import { entry } from "./control-database-rows.ts";

export type Opening = { readonly path: string } | DatabaseLogin;

export interface Task {
  /**
   * `open`: just that. `hang`: ends nothing it began. `fill`: transactions of `rowsEach` rows, one after another. `raise`: the revision, so
   * many times. `migrate-forever`: makes the tables of an SQLite database and then never gets to the end of a further step.
   */
  readonly what: "open" | "hang" | "fill" | "raise" | "migrate-forever";
  readonly times?: number;
  readonly opening: Opening;
}

export const rowsEach = 50;

export function openAs(opening: Opening): Promise<ControlDatabase> {
  if ("path" in opening) return openSqliteControlDatabase({ ...opening, clock, logger });
  return openPostgresControlDatabase({ ...opening, sslmode: "disable", sslRootCert: null, maxOpen: 4, maxIdle: 1, clock, logger });
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function perform({ what, times = 1 }: Task, db: ControlDatabase): Promise<void> {
  switch (what) {
    case "open":
    case "migrate-forever":
      return;
    case "hang":
      return await db.transaction(async (tx) => {
        await tx.insert(notes, { key: "half", value: "done" });
        for (let at = 0; at < rowsEach; at++) await tx.append(audit, entry(at));
        say("within");
        await new Promise(() => {});
      });
    case "fill":
      for (let n = 1; ; n++) {
        await db.transaction(async (tx) => {
          for (let at = 0; at < rowsEach; at++) await tx.append(audit, entry(n));
        });
        say(String(n));
      }
    case "raise":
      for (let n = 0; n < times; n++) {
        await db.transaction(async (tx) => {
          const value = Number((await tx.one(notes, { key: "revision" }))?.value);
          await tx.update(notes, { key: "revision" }, { value: String(value + 1) });
        });
      }
  }
}

async function migrateForever(opening: Opening): Promise<never> {
  // It holds up the event loop: what it has to say, it says before.
  writeSync(1, "migrating\n");
  const forever = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
  const known = [...steps("sqlite"), { number: 2, name: "forever", hash: "x", statements: [forever] }];
  if ("path" in opening) await openSqliteControlDatabase({ ...opening, steps: known, clock, logger });
  throw new Error("it came to an end");
}

if (import.meta.main) {
  const task = JSON.parse(process.argv[2] ?? "") as Task;
  say("ready");
  for await (const _ of process.stdin) break;
  if (task.what === "migrate-forever") await migrateForever(task.opening);
  const db = await openAs(task.opening);
  say("open");
  await perform(task, db);
  await db.close();
  say("closed");
  process.exit(0);
}
