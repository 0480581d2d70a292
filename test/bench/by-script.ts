import { join } from "node:path";
import { median } from "./measure.ts";
import type { Bound } from "./report.ts";

/** What is measured by scripts of their own, which print their figures as a last line of JSON: recoveries, checks, and metadata in PostgreSQL. */

type Samples = Readonly<Record<string, readonly number[]>>;

async function run(script: string, ...args: readonly (string | number)[]): Promise<Samples> {
  const child = Bun.spawn(["bun", join(import.meta.dir, script), ...args.map(String)], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const lines = (await new Response(child.stdout).text()).trim().split("\n");
  if ((await child.exited) !== 0) throw new Error(`${script} failed: ${lines.at(-1)}`);
  for (const line of lines.slice(0, -1)) console.error(line);
  return JSON.parse(lines.at(-1) as string) as Samples;
}

const spread = (values: readonly number[], digits = 0): string => [...values].sort((a, b) => a - b).map((value) => value.toFixed(digits)).join(", ");

/** Inodes a second that are checked, and the seconds a recovery of so many files takes. */
export async function recoveryBounds({ directory, rounds, files }: { readonly directory: string; readonly rounds: number; readonly files: number }): Promise<readonly Bound[]> {
  const { fsck = [] } = await run("fsck.ts", files / 2, rounds);
  const { recover = [], behindSnapshot = [] } = await run("history.ts", "recover", join(directory, "recovery"), files / 1000, rounds);
  const count = files.toLocaleString("en-US");
  return [
    { what: `fsck of ${(files / 2).toLocaleString("en-US")} files on SQLite`, value: median(fsck), unit: "inodes/s", most: null, least: 100_000, detail: spread(fsck) },
    { what: `recovery of ${count} files, after the snapshot is fetched`, value: median(behindSnapshot), unit: "s", most: 60, detail: spread(behindSnapshot, 1) },
    { what: `recovery of ${count} files, from start to end`, value: median(recover), unit: "s", most: null, detail: spread(recover, 1) },
  ];
}

/** What metadata in PostgreSQL reaches, SQLite on the same disk beside it as the peer. */
export async function postgresBounds({ rounds, creates }: { readonly rounds: number; readonly creates: number }): Promise<readonly Bound[]> {
  const store = await run("metadata-postgres.ts", rounds, creates);
  const nfs = await run("metadata-postgres-nfs.ts", rounds, 2);
  const of = (from: Samples, what: string) => (kind: "postgres" | "sqlite") => median(from[`${what} ${kind}`] ?? [Number.NaN]);
  const line = (what: string, from: Samples, key: string, unit: string, least?: number): Bound => {
    const figure = of(from, key);
    return { what, value: figure("postgres"), peer: figure("sqlite"), unit, most: null, ...(least === undefined ? {} : { least }), detail: spread(from[`${key} postgres`] ?? []) };
  };
  const [many, one] = [of(store, "creates/s, 8 clients, 1,000 directories"), of(store, "creates/s, 8 clients, one directory")];
  const getattr = of(nfs, "getattr");
  return [
    line("durable creates, 64 in flight, in 1,000 directories", store, "creates/s, 64 in flight, 1,000 directories", "/s", 5_000),
    line("durable creates, 64 in flight, in one directory", store, "creates/s, 64 in flight, one directory", "/s"),
    line("durable creates by 8 clients, in 1,000 directories", store, "creates/s, 8 clients, 1,000 directories", "/s"),
    line("durable creates by 8 clients, in one directory", store, "creates/s, 8 clients, one directory", "/s"),
    { what: "the same in one directory, as a part of those in 1,000", value: one("postgres") / many("postgres"), peer: one("sqlite") / many("sqlite"), unit: "×", most: null, least: 0.5 },
    line("durable creates by 1 client", store, "creates/s, 1 client", "/s"),
    line("inodes read from the store's cache", store, "getattr/s, cached", "/s"),
    line("CREATE over NFS, 64 in flight", nfs, "create_empty", "/s", 5_000),
    line("CREATE + WRITE 4 KiB FILE_SYNC over NFS, 64 in flight", nfs, "create", "files/s"),
    line("GETATTR over NFS, cached, 64 in flight", nfs, "getattr", "/s"),
    // Two servers of one program that do the same differ by a few parts in a hundred here.
    { what: "the same as a part of SQLite's", value: getattr("postgres") / getattr("sqlite"), unit: "×", most: null, least: 0.95 },
  ];
}
