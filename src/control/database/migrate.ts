import { createHash } from "node:crypto";
import { type Migration, migrations } from "./migrations/index.ts";
import { DatabaseError, UnreadableDatabase } from "./port.ts";

export type DialectName = "sqlite" | "postgres";

/** One migration as it is remembered in `schema_migrations`. */
export interface Applied {
  readonly number: number;
  readonly name: string;
  readonly hash: string;
}

/** A migration this program brings along. */
export interface Step extends Applied {
  readonly statements: readonly string[];
}

/** The columns of the table that says what was applied. Made by hand, since it has to be there before the first migration. */
export const migrationsTable = "schema_migrations";
export const createMigrationsTable = `CREATE TABLE ${migrationsTable} (number bigint PRIMARY KEY NOT NULL, name text NOT NULL, hash text NOT NULL, applied_at bigint NOT NULL)`;

export function steps(dialect: DialectName, from: readonly Migration[] = migrations): readonly Step[] {
  return from.map((migration, i) => {
    const text = migration[dialect];
    const statements = text.split("--> statement-breakpoint").map((one) => one.trim()).filter((one) => one !== "");
    return { number: i + 1, name: migration.name, hash: createHash("sha256").update(text).digest("hex"), statements };
  });
}

/** The steps still to take. Throws where the database is newer than this program, or was made by another line of programs. */
export function pending(where: string, known: readonly Step[], applied: readonly Applied[]): readonly Step[] {
  if (applied.length > known.length) {
    const newest = applied.at(-1) as Applied;
    throw new UnreadableDatabase(
      `${where} has schema ${applied.length} ("${newest.name}"), and this program knows schemas up to ${known.length}. Nothing was changed. ` +
        "Start the newer program that made it, or restore a backup that this one made",
    );
  }
  applied.forEach((one, i) => {
    const step = known[i] as Step;
    if (one.number === step.number && one.hash === step.hash) return;
    throw new DatabaseError(
      `${where} was made by another program than this one: its schema step ${one.number} ("${one.name}") is not the "${step.name}" known here. Nothing was changed. ` +
        "Start the program that made it, or name another database",
    );
  });
  return known.slice(applied.length);
}
