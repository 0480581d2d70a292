import type { Database } from "bun:sqlite";
import { foldColumn } from "#model/fold-key.ts";
import { MetaKey } from "./schema.ts";

/** Names of one transaction. */
const stepNames = 10_000;
/** Transactions after which the WAL is taken into the database, so that it stays short. */
const stepsPerCheckpoint = 16;

interface Named {
  readonly parent: number;
  readonly name: string;
}

/** What lies in `meta` before the first name. */
export const firstPlace: string = JSON.stringify({ parent: Number.MIN_SAFE_INTEGER, name: "" } satisfies Named);

/**
 * Gives names that were stored before there was `folded` theirs, in order, each step with the place it got to in one transaction: cut off
 * anywhere, the next start goes on. Nobody else has the database meanwhile, and older programs refuse it from before the first step on.
 */
export function foldNames(db: Database): void {
  const at = db.query<{ value: string }, [string]>("SELECT value FROM meta WHERE key = ?").get(MetaKey.folding);
  if (at === null) return;
  const page = db.prepare<Named, [number, string, number]>("SELECT parent, name FROM dirent WHERE (parent, name) > (?, ?) ORDER BY parent, name LIMIT ?");
  const set = db.prepare<void, [string, number, string]>("UPDATE dirent SET folded = ? WHERE parent = ? AND name = ?");
  const put = db.prepare<void, [string, string]>("UPDATE meta SET value = ? WHERE key = ?");
  try {
    let place = JSON.parse(at.value) as Named;
    for (let step = 1; ; step++) {
      const names = page.all(place.parent, place.name, stepNames);
      db.run("BEGIN IMMEDIATE");
      for (const { parent, name } of names) {
        const folded = foldColumn(name);
        if (folded !== null) set.run(folded, parent, name);
      }
      place = names.at(-1) ?? place;
      if (names.length === stepNames) put.run(JSON.stringify({ parent: place.parent, name: place.name }), MetaKey.folding);
      else db.run("DELETE FROM meta WHERE key = ?", [MetaKey.folding]);
      db.run("COMMIT");
      if (step % stepsPerCheckpoint === 0 || names.length < stepNames) db.run("PRAGMA wal_checkpoint(TRUNCATE)");
      if (names.length < stepNames) return;
    }
  } finally {
    for (const statement of [page, set, put]) statement.finalize();
  }
}
