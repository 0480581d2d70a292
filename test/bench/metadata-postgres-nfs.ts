/**
 * Creates and GETATTR over NFS with metadata in PostgreSQL, and in SQLite on the same disk beside it, by the compiled server:
 * `bun test/bench/metadata-postgres-nfs.ts [runs] [seconds]`. 64 calls in flight on 4 connections; each figure is the median of the runs. The last line is JSON.
 */
import { Admin } from "../support/admin.ts";
import { startCluster } from "../support/postgres.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";
import { median } from "./measure.ts";
import { buildTools, tool } from "./tools.ts";

const runs = Number(process.argv[2] ?? 3);
const seconds = process.argv[3] ?? "4";
await buildTools();
const cluster = await startCluster({ fsync: true });
const directory = temporaryDirectory("bench");
const server = await Server.start({ dataDir: directory.path, port: await freePort(), env: { DITTOFS_LOGGING_LEVEL: "warn" } });
const admin = await Admin.at(server);
await admin.do("POST", "/api/v1/store/metadata", { name: "pg", type: "postgres", config: { ...(await cluster.database()), sslmode: "disable" } });
await admin.do("POST", "/api/v1/shares", { name: "/team", metadata: "pg", default_permission: "read-write" });

const figures = new Map<string, number[]>();
for (let run = 0; run < runs; run++) {
  for (const [kind, share] of [["sqlite", "/export"], ["postgres", "/team"]] as const) {
    for (const workload of ["create_empty", "create", "getattr"]) {
      const port = String(server.port);
      const child = Bun.spawn([tool("nfsload"), "-p", port, "-m", port, "-e", share, "-C", "4", "-Q", "16", "-t", seconds, "-n", "2000", workload], { stdout: "pipe", stderr: "pipe" });
      const line = (await new Response(child.stdout).text()).trim().split("\n").at(-1) ?? "";
      const sample = JSON.parse(line) as { ops_s: number; errors: number };
      if (sample.errors > 0) throw new Error(`${workload} on ${kind}: ${sample.errors} errors`);
      const key = `${workload.padEnd(14)} ${kind.padEnd(9)}`;
      figures.set(key, [...(figures.get(key) ?? []), sample.ops_s]);
    }
  }
}
for (const [key, values] of [...figures].sort((a, b) => (a[0] < b[0] ? -1 : 1))) console.log(`${key} ${Math.round(median(values)).toLocaleString("en").padStart(12)}/s   (${values.map((v) => Math.round(v)).join(", ")})`);
console.log(JSON.stringify(Object.fromEntries([...figures].map(([key, values]) => [key.replaceAll(/ +/g, " ").trim(), values]))));
await server.stop();
await cluster.stop();
directory.remove();
process.exit(0);
