import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DrizzleSQLiteSnapshotJSON, type DrizzleSnapshotJSON, generateDrizzleJson, generateMigration, generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { postgresTables } from "../../src/control/database/postgres-tables.ts";
import { sqliteTables } from "../../src/control/database/sqlite-tables.ts";
import { root, say } from "./shell.ts";

const folder = join(root, "src/control/database/migrations");
const breakpoint = "\n--> statement-breakpoint\n";
const usage = "usage: scripts/migrations NAME   (kebab-case: what the change is, as add-quotas)\n";

/** The statements that turn the tables of the last migration into those declared, and the snapshot to keep with them. */
interface Step {
  readonly statements: readonly string[];
  readonly snapshot: string;
}

export const dialects: Readonly<Record<"sqlite" | "postgres", (last: string | null) => Promise<Step>>> = {
  async sqlite(last) {
    const before = last === null ? await generateSQLiteDrizzleJson({}) : (JSON.parse(last) as DrizzleSQLiteSnapshotJSON);
    const now = await generateSQLiteDrizzleJson(Object.fromEntries(sqliteTables), before.id);
    return { statements: await generateSQLiteMigration(before as DrizzleSQLiteSnapshotJSON, now as DrizzleSQLiteSnapshotJSON), snapshot: print(now) };
  },
  async postgres(last) {
    const before = last === null ? generateDrizzleJson({}) : (JSON.parse(last) as DrizzleSnapshotJSON);
    const now = generateDrizzleJson(Object.fromEntries(postgresTables), before.id);
    const statements = await generateMigration(before as DrizzleSnapshotJSON, now as DrizzleSnapshotJSON);
    // The schema that the operator's search_path names, as for everything else.
    return { statements: statements.map((one) => one.replaceAll('"public".', "")), snapshot: print(now) };
  },
};

const print = (snapshot: object): string => `${JSON.stringify(snapshot, null, 1)}\n`;

/** The snapshot of the last migration, or null before the first. */
export function lastSnapshot(dialect: string): string | null {
  const path = join(folder, dialect, "snapshot.json");
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}

/** Migrations there are, as `0001-name`, in order. */
function names(): readonly string[] {
  const path = join(folder, "sqlite");
  return existsSync(path) ? readdirSync(path).flatMap((file) => /^(\d{4}-.*)\.sql$/.exec(file)?.[1] ?? []).sort() : [];
}

/** Writes the migration to the tables as they are declared now, for both dialects, and the index that embeds them all. */
export async function migrations(args: readonly string[]): Promise<number> {
  const [name = ""] = args;
  if (args.length !== 1 || !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name)) {
    process.stderr.write(usage);
    return 2;
  }
  const steps = await Promise.all(Object.entries(dialects).map(async ([dialect, step]) => [dialect, await step(lastSnapshot(dialect))] as const));
  if (steps.every(([, { statements }]) => statements.length === 0)) {
    say("migrations: the tables are as the last migration leaves them");
    return 0;
  }
  const full = `${String(names().length + 1).padStart(4, "0")}-${name}`;
  for (const [dialect, { statements, snapshot }] of steps) {
    mkdirSync(join(folder, dialect), { recursive: true });
    // A change of one dialect alone is an empty step of the other: both count the same versions.
    writeFileSync(join(folder, dialect, `${full}.sql`), `${statements.map((one) => one.trim()).join(breakpoint)}\n`);
    writeFileSync(join(folder, dialect, "snapshot.json"), snapshot);
  }
  writeFileSync(join(folder, "index.ts"), indexOf(names()));
  say(`migrations: wrote ${full}; read it before you commit it`);
  return 0;
}

/** The module that embeds the migrations' text in the executable. */
export function indexOf(all: readonly string[]): string {
  const imports = all.flatMap((name) => {
    const number = name.slice(0, 4);
    return ["postgres", "sqlite"].map((dialect) => `import ${dialect}${number} from "./${dialect}/${name}.sql" with { type: "text" };`);
  });
  const lines = all.map((name) => `  { name: "${name}", sqlite: sqlite${name.slice(0, 4)}, postgres: postgres${name.slice(0, 4)} },`);
  return `// Written by scripts/migrations. What was released is never changed: a new migration is appended.
${imports.sort().join("\n")}

export interface Migration {
  readonly name: string;
  readonly sqlite: string;
  readonly postgres: string;
}

/** In order; the schema's version is their number. */
export const migrations: readonly Migration[] = [
${lines.join("\n")}
];
`;
}
