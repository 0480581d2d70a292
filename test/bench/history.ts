/**
 * What a share's history costs, and what a recovery takes. By hand: bun test/bench/history.ts create DIRECTORY [rounds] | recover DIRECTORY [thousands of files] [runs]
 *
 * `create`: CREATE + WRITE 4 KiB + COMMIT on two shares of one server, the one with a history in its filesystem store, the other without, in
 * turns. `recover`: makes a share of so many files, loses all but its store and recovers it, so often; prints the seconds from start to end and
 * those after the snapshot was fetched, and last a line of JSON.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "bun";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Time } from "#base/time.ts";
import { openFilesystemBlocks } from "#blocks/index.ts";
import { History, TurnWriter } from "#history/index.ts";
import { openSqliteStore } from "#metadata/index.ts";
import type { Change } from "#model/change-set.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode, newObject } from "#model/inode.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { median } from "./measure.ts";
import { Subject } from "./s3/site.ts";
import { buildTools } from "./tools.ts";

const program = join(import.meta.dir, "../../dist/dittofs");
const [what = "", directory = "", count = "", times = "1"] = Bun.argv.slice(2);
if (what === "create") await create(Number(count || 5));
else if (what === "recover") await recover(Number(count || 1000) * 1000, Number(times));
else throw new Error("what? create or recover");

async function create(rounds: number): Promise<void> {
  await buildTools();
  const subject = new Subject("history", directory, [program], "/export");
  try {
    await subject.start();
    for (const name of ["without", "with"]) {
      await subject.admin.do("POST", "/api/v1/store/block", { name, type: "filesystem", config: name === "with" ? { history: true } : {} });
      await subject.admin.do("POST", "/api/v1/shares", { name: `/${name}`, blocks: name, squash: "none", default_permission: "read-write" });
    }
    const kept: Record<string, number[]> = { without: [], with: [] };
    for (let round = 0; round < rounds; round++) {
      for (const name of round % 2 === 0 ? ["without", "with"] : ["with", "without"]) {
        const sample = await subject.load("create_commit", ["-C", "4", "-Q", "16", "-t", "4"], () => {}, `/${name}`);
        if (sample.errors > 0) throw new Error(`${sample.errors} calls failed`);
        kept[name]?.push(sample.ops_s);
      }
      console.log(`round ${round + 1}: without ${Math.round(kept["without"]?.[round] ?? 0)}, with ${Math.round(kept["with"]?.[round] ?? 0)} files/s`);
    }
    const cost = median(kept["with"]?.map((one, i) => 1 - one / (kept["without"]?.[i] ?? 1)) ?? []);
    console.log(`a history costs ${(cost * 100).toFixed(1)} % of creates (median of ${rounds})`);
  } finally {
    await subject.stop(false);
  }
}

/** A share of so many files, a tenth of them made after its snapshot. */
async function recover(files: number, runs: number): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  const store = join(directory, "blocks", "share");
  mkdirSync(store, { recursive: true });
  mkdirSync(join(directory, "lost"));
  const blocks = await openFilesystemBlocks({ directory: store, openFilesMax: 64 });
  const metadata = openSqliteStore({ path: join(directory, "lost", "metadata.db"), clock: systemClock, random: systemRandom, logger: silentLogger, journal: new TurnWriter() });
  const { journal } = metadata;
  if (journal === null) throw new Error("no journal");
  const at = new Time(1_700_000_000, 1);
  const inode = (id: FileId, type: FileType): Inode =>
    newObject(at, { id, type, mode: 0o755, links: type === FileType.directory ? 2 : 1, parent: type === FileType.directory ? rootId : 0, generation: 1 });
  await metadata.apply({ conditions: [], changes: [{ do: "insertInode", inode: inode(rootId, FileType.directory) }] });
  const make = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i += 4096) {
      const sets = Array.from({ length: Math.min(4096, to - i) }, (_, j): readonly Change[] => {
        const id = metadata.draw() as FileId;
        return [{ do: "insertInode", inode: inode(id, FileType.regular) }, { do: "insertDirent", parent: rootId, name: `file-${i + j}`, child: id }, { do: "touchDirectory", id: rootId, at, linksDelta: 0 }];
      });
      await Promise.all(sets.map((changes) => metadata.apply({ conditions: [], changes })));
    }
  };
  await make(0, Math.floor(files * 0.9));
  const instance = Buffer.from(metadata.identity.instance).toString("hex");
  writeFileSync(join(store, "OWNER"), `dittofs share ${instance}\n`);
  const history = new History({ blocks, unwrapped: blocks, journal, instance, share: "/share", host: "bench", lagMs: 1000, unshippedBytesMax: 2 ** 30, snapshotPath: join(directory, "snapshot"), clock: systemClock, random: systemRandom, logger: silentLogger, lost: () => {} });
  await history.start({ reached: Number.POSITIVE_INFINITY, oldestNeeded: () => 1, logged: () => undefined, safe: () => Promise.resolve(), hold: () => ({ store: async () => true, release: () => {} }), shipped: () => {} }, 10_000);
  const began = performance.now();
  while (!history.status.ready) await new Promise((resolve) => setTimeout(resolve, 20));
  console.log(`snapshot of ${files * 0.9} files: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await make(Math.floor(files * 0.9), files);
  await history.close();
  await metadata.close();
  await blocks.close();
  rmSync(join(directory, "lost"), { recursive: true });
  const taken = { recover: [] as number[], behindSnapshot: [] as number[] };
  for (let run = 0; run < runs; run++) {
    const { whole, behindSnapshot } = await recoverOnce(files);
    taken.recover.push(whole);
    taken.behindSnapshot.push(behindSnapshot);
    console.log(`recovered ${files} files in ${whole.toFixed(1)} s, ${behindSnapshot.toFixed(1)} s of them after the snapshot was fetched`);
  }
  console.log(JSON.stringify(taken));
}

/** Seconds of one recovery, and of what comes after its snapshot: told by the first line about something else. */
async function recoverOnce(files: number): Promise<{ readonly whole: number; readonly behindSnapshot: number }> {
  const found = join(directory, "found");
  rmSync(found, { recursive: true, force: true });
  const start = performance.now();
  const child = spawn([program, "recover", "--from", "filesystem", "--path", join(directory, "blocks"), "--data-dir", found], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, DITTOFS_CONTROLPLANE_PORT: "0" } });
  let said = "";
  let fetched: number | null = null;
  for await (const chunk of child.stderr) {
    said += Buffer.from(chunk).toString();
    if (fetched === null && said.includes("replaying changes")) fetched = performance.now();
  }
  const status = await child.exited;
  const end = performance.now();
  if (status !== 0 || fetched === null) throw new Error(`the recovery ended with status ${status}: ${said}`);
  const out = await new Response(child.stdout).text();
  // With the root.
  if (!out.includes(` ${files + 1} files and directories`)) throw new Error(`not all files were recovered: ${out}`);
  return { whole: (end - start) / 1000, behindSnapshot: (end - fetched) / 1000 };
}
