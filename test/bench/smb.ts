import { join } from "node:path";
import { openClient } from "./api-client.ts";
import { waitForIdle } from "./machine.ts";
import { makeFilesLike } from "./many-files.ts";
import { loadSmb, type Sample } from "./measure.ts";
import { figuresOf, type Row } from "./report.ts";
import { startSamba } from "./samba.ts";
import { type Server, startDittofs } from "./servers.ts";
import { warmSeconds, type Workload } from "./workloads.ts";

/** SMB 3.1.1, ours against Samba, signed by AES-GMAC; and the same encrypted by AES-128-GCM. */

const files = ["-n", "5000"];
const data = ["-s", "128"];
const passes = ["-s", "128", "-P", "1"];

export const smbWorkloads: readonly Workload[] = [
  { name: "echo", load: "echo", unit: "ops/s", what: "ECHO", arguments: files, target: { perCpu: 1.5 } },
  { name: "queryinfo", load: "queryinfo", unit: "ops/s", what: "QUERY_INFO of files that are open", arguments: files, target: { perCpu: 1.5 } },
  { name: "open", load: "open", unit: "ops/s", what: "CREATE + CLOSE of 5,000 files in turn", arguments: files, target: { rate: 4 } },
  { name: "create", load: "create", unit: "files/s", what: "CREATE + WRITE 4 KiB + CLOSE", arguments: files, target: { rate: 6 } },
  { name: "create_flush", load: "create_flush", unit: "files/s", what: "CREATE + WRITE 4 KiB + FLUSH + CLOSE", arguments: files, target: { rate: 6 } },
  { name: "rename", load: "rename", unit: "ops/s", what: "CREATE + SET_INFO rename + CLOSE", arguments: files, target: { rate: 6 } },
  { name: "delete", load: "delete", unit: "ops/s", what: "CREATE to delete on close + CLOSE, 10,000 files", arguments: ["-n", "10000"], target: { rate: 2 } },
  { name: "querydir", load: "querydir", unit: "entries/s", what: "QUERY_DIRECTORY over 100,000 entries, 64 KiB answers", arguments: ["-n", "100000"], target: { rate: 4 }, keeps: "bench-100k" },
  { name: "randread", load: "randread", unit: "ops/s", what: "READ 4 KiB at random, cached", arguments: data, target: { perCpu: 3 } },
  { name: "randwrite", load: "randwrite", unit: "ops/s", what: "WRITE 4 KiB at random, FLUSH at the end", arguments: data, target: { perCpu: 2 } },
  { name: "randwrite_sync", load: "randwrite_sync", unit: "ops/s", what: "WRITE 4 KiB WRITE_THROUGH at random", arguments: data, target: { rate: 2 } },
  { name: "seqread", load: "seqread", unit: "MB/s", what: "READ 1 MiB in order, cached", arguments: data, target: { perCpu: 1.2, rate: 0.9 } },
  { name: "seqwrite", load: "seqwrite", unit: "MB/s", what: "WRITE 1 MiB to fresh files + FLUSH", arguments: passes, target: { perCpu: 1.2, rate: 0.9 } },
  { name: "seqrewrite", load: "seqrewrite", unit: "MB/s", what: "WRITE 1 MiB over existing files + FLUSH", arguments: passes, target: { perCpu: 1.2, rate: 0.9 } },
];

export interface SmbBenchOptions {
  readonly directory: string;
  readonly program: readonly string[];
  readonly rounds: number;
  /** Of each measured run; null: 1, sequential ones 2. */
  readonly seconds: string | null;
  readonly names: readonly string[] | null;
  readonly quietSeconds: number;
  readonly keep: boolean;
  /** Without the same encrypted. */
  readonly signedOnly: boolean;
}

export interface SmbFigures {
  readonly signed: readonly Row[];
  readonly encrypted: readonly Row[];
  readonly peer: string;
}

const user = "bench";
const password = "benchmark";

/** Rounds of all workloads, the two servers in turn, signed and then encrypted; the first of them, which is longer, counts for nothing. */
export async function smbFigures(options: SmbBenchOptions): Promise<SmbFigures> {
  const chosen = smbWorkloads.filter(({ name }) => options.names === null || options.names.includes(name));
  const servers: Server[] = [];
  try {
    servers.push(await startOurs(options));
    servers.push(await startSamba(options.directory, password));
    const [ours, peer] = servers as [Server, Server];
    const samples = new Map<string, Sample[]>();
    if (chosen.some(({ keeps }) => keeps !== undefined)) await makeManyFiles(options, peer, chosen);
    for (let round = 0; round <= options.rounds; round++) {
      for (const workload of chosen) for (const how of options.signedOnly ? ["signed"] : ["signed", "encrypted"]) for (const server of servers) await measure(options, round === 0 ? null : samples, server, workload, how);
      console.error(round === 0 ? "warmed up" : `round ${round} of ${options.rounds} done`);
    }
    const rows = (how: string): readonly Row[] =>
      chosen.map((workload) => {
        const of = (server: Server) => {
          const own = samples.get(`${how} ${workload.name} ${server.name}`);
          return own === undefined ? null : figuresOf(workload, own);
        };
        return { workload: how === "signed" ? workload : { ...workload, target: {} }, ours: of(ours), peer: of(peer) };
      });
    return { signed: rows("signed"), encrypted: options.signedOnly ? [] : rows("encrypted"), peer: peer.name };
  } finally {
    for (const server of servers.reverse()) await server.stop(options.keep);
  }
}

/** What is said to the load generator of any workload. */
const loginOf = (server: Server): readonly string[] => ["-U", `${server.name === "samba" ? "root" : user}%${password}`, "-C", "2", "-Q", "16"];

/** One turn; `samples` null: one that only warms up. */
async function measure({ seconds, quietSeconds }: SmbBenchOptions, samples: Map<string, Sample[]> | null, server: Server, workload: Workload, how: string): Promise<void> {
  await waitForIdle(quietSeconds);
  const key = `${how} ${workload.name} ${server.name}`;
  const time = seconds ?? (workload.unit === "MB/s" ? "2" : "1");
  // Data is written over and over then, however much that is.
  const length = samples === null ? ["-t", String(warmSeconds), "-P", "0"] : ["-t", time];
  try {
    const sample = await loadSmb(server, workload.load, [...loginOf(server), ...workload.arguments, ...length, ...(workload.keeps === undefined ? [] : ["-k", "-B", workload.keeps]), ...(how === "encrypted" ? ["-E"] : [])]);
    samples?.set(key, [...(samples.get(key) ?? []), sample]);
    console.error(`${samples === null ? "warming up, " : ""}${key}: ${Math.round(workload.unit === "MB/s" ? sample.mb_s : sample.ops_s)} ${workload.unit}, ${sample.srv_cpu} CPUs of the server`);
  } catch (error) {
    console.error((error as Error).message);
  }
}

/** The large directories Samba is to list: their first file is made through it, the others in its file system. */
async function makeManyFiles({ directory }: SmbBenchOptions, samba: Server, chosen: readonly Workload[]): Promise<void> {
  for (const { keeps, load, arguments: options } of chosen) {
    if (keeps === undefined) continue;
    const count = Number(options[options.indexOf("-n") + 1]);
    const name = (i: number): string => `f${String(i).padStart(7, "0")}`;
    await loadSmb(samba, load, [...loginOf(samba), "-n", "1", "-t", "0", "-k", "-B", keeps]);
    makeFilesLike(join(directory, samba.name, "export", keeps, "big"), name(0), Array.from({ length: count - 1 }, (_, i) => name(i + 1)));
  }
}

/** A fresh install with one user. */
async function startOurs({ directory, program }: SmbBenchOptions): Promise<Server> {
  const server = await startDittofs(directory, program);
  if (server.api === null) throw new Error(`${server.name} has no REST interface to make a user by`);
  await (await openClient(server.api)).post("/api/v1/users", { username: user, password, uid: 1000, gid: 1000 });
  return server;
}
