/** What a workload asks of us relative to the peer. A target that is absent is not judged. */
export interface Target {
  /** Least rate, in multiples of the peer's. */
  readonly rate?: number;
  /** Least rate per server CPU-second, in multiples of the peer's. */
  readonly perCpu?: number;
  /** Most median latency, in multiples of the peer's. */
  readonly latency?: number;
}

export interface Workload {
  readonly name: string;
  /** Name the load generator knows it by. */
  readonly load: string;
  readonly unit: "ops/s" | "files/s" | "entries/s" | "MB/s";
  readonly what: string;
  readonly arguments: readonly string[];
  readonly target: Target;
  /** Files of the working directory that are made once and kept for the next round. */
  readonly keeps?: string;
}

/** How long each workload of SMB is run against each server before anything counts. */
export const warmSeconds = 2;

const files = ["-n", "5000"];
const data = ["-s", "128"];
/** Sequential data moves at least this long: one pass takes that on a slow disk. */
const passes = ["-s", "128", "-P", "1"];

/** The workloads in the order they are run; names as in the load generator unless noted. */
export const workloads: readonly Workload[] = [
  { name: "null", load: "null", unit: "ops/s", what: "NULL", arguments: files, target: { rate: 4, perCpu: 8 } },
  { name: "getattr", load: "getattr", unit: "ops/s", what: "GETATTR of 5,000 files in turn", arguments: files, target: { rate: 4, perCpu: 8 } },
  { name: "access", load: "access", unit: "ops/s", what: "ACCESS of 5,000 files in turn", arguments: files, target: { rate: 4, perCpu: 8 } },
  { name: "lookup", load: "lookup", unit: "ops/s", what: "LOOKUP of 5,000 names in turn", arguments: files, target: { rate: 4, perCpu: 8 } },
  { name: "create", load: "create", unit: "files/s", what: "CREATE + WRITE 4 KiB FILE_SYNC", arguments: files, target: { rate: 4 } },
  { name: "create_commit", load: "create_commit", unit: "files/s", what: "CREATE + WRITE 4 KiB UNSTABLE + COMMIT", arguments: files, target: { rate: 4 } },
  { name: "rename", load: "rename", unit: "ops/s", what: "RENAME within a directory", arguments: files, target: { rate: 3 } },
  { name: "remove", load: "remove", unit: "ops/s", what: "REMOVE of 20,000 files", arguments: ["-n", "20000"], target: { rate: 3 } },
  { name: "readdirplus", load: "readdirplus", unit: "entries/s", what: "READDIRPLUS over 100,000 entries, 64 KiB replies", arguments: ["-n", "100000"], target: { rate: 2 }, keeps: "bench-100k" },
  { name: "randread", load: "randread", unit: "ops/s", what: "READ 4 KiB at random, cached", arguments: data, target: { perCpu: 6 } },
  { name: "randwrite", load: "randwrite", unit: "ops/s", what: "WRITE 4 KiB UNSTABLE at random, COMMIT at the end", arguments: data, target: { perCpu: 4 } },
  { name: "randwrite_sync", load: "randwrite_sync", unit: "ops/s", what: "WRITE 4 KiB FILE_SYNC at random", arguments: data, target: { rate: 3 } },
  { name: "mixed", load: "mixed", unit: "ops/s", what: "70 % READ, 30 % WRITE UNSTABLE, 4 KiB", arguments: data, target: {} },
  { name: "seqread", load: "seqread", unit: "MB/s", what: "READ 1 MiB in order, cached", arguments: data, target: { rate: 1.2, perCpu: 2 } },
  { name: "seqwrite", load: "seqwrite", unit: "MB/s", what: "WRITE 1 MiB UNSTABLE to fresh files + COMMIT", arguments: passes, target: { rate: 1 } },
  { name: "seqrewrite", load: "seqrewrite", unit: "MB/s", what: "WRITE 1 MiB UNSTABLE over existing files + COMMIT", arguments: passes, target: { rate: 1 } },
  { name: "getattr_one", load: "getattr", unit: "ops/s", what: "one GETATTR at a time on one connection", arguments: [...files, "-C", "1", "-Q", "1"], target: { latency: 1 } },
];

export const defaultShape = ["-C", "2", "-Q", "16"];

export function workloadsNamed(names: readonly string[]): readonly Workload[] {
  return names.map((name) => {
    const found = workloads.find((workload) => workload.name === name);
    if (found === undefined) throw new Error(`no such workload: ${name}; there are ${workloads.map((each) => each.name).join(", ")}`);
    return found;
  });
}
