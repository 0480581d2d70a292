/**
 * Where the server's time goes under one workload: runs it from source with Bun's sampling profiler and prints the functions.
 *
 *   bun test/bench/profile.ts [--secs 5] [--top 40] [--save FILE.cpuprofile] [--with="-C 1 -n 300000"] workload
 *
 * The workload is one of the benchmark, or any of the load generator; --with adds options of the generator. Configuration comes from the
 * environment, e.g. DITTOFS_CACHE_SIZE.
 */
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { load, threadsOf } from "./measure.ts";
import { startDittofs } from "./servers.ts";
import { buildTools, projectRoot } from "./tools.ts";
import { defaultShape, workloads } from "./workloads.ts";

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}
export interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame; readonly children?: readonly number[] }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}
export interface Spent {
  readonly place: string;
  self: number;
  total: number;
}

function placeOf({ functionName, url, lineNumber }: Frame): string {
  const file = url.startsWith("file://") ? relative(projectRoot, url.slice(7)) : url;
  return `${functionName === "" ? "(anonymous)" : functionName}${file === "" ? "" : `  ${file}:${lineNumber + 1}`}`;
}

/** Samples by function between two moments (microseconds of the wall clock): on top of the stack, and anywhere in it. */
export function spentByFunction(profile: CpuProfile, from: number, to: number): { readonly samples: number; readonly functions: readonly Spent[] } {
  const parent = new Map<number, number>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parent.set(child, node.id);
  const places = new Map(profile.nodes.map((node) => [node.id, placeOf(node.callFrame)]));
  const spent = new Map<string, Spent>();
  const at = (place: string): Spent => {
    const known = spent.get(place) ?? { place, self: 0, total: 0 };
    spent.set(place, known);
    return known;
  };
  let time = profile.startTime;
  let samples = 0;
  profile.samples.forEach((leaf, i) => {
    time += profile.timeDeltas[i] ?? 0;
    if (time < from || time > to) return;
    samples++;
    at(places.get(leaf) ?? "?").self++;
    const stack = new Set<string>();
    for (let id: number | undefined = leaf; id !== undefined; id = parent.get(id)) stack.add(places.get(id) ?? "?");
    for (const place of stack) at(place).total++;
  });
  return { samples, functions: [...spent.values()].sort((a, b) => b.self - a.self || b.total - a.total) };
}

type Threads = Awaited<ReturnType<typeof threadsOf>>;

/** CPU of the threads between two moments, those of one name together: `user` and `system` in cores. */
export function threadTable(before: Threads, after: Threads, seconds: number): readonly string[] {
  const byName = new Map<string, { user: number; system: number; count: number }>();
  for (const [id, now] of after) {
    const then = before.get(id) ?? { user: 0, system: 0 };
    const sum = byName.get(now.name) ?? { user: 0, system: 0, count: 0 };
    byName.set(now.name, { user: sum.user + now.user - then.user, system: sum.system + now.system - then.system, count: sum.count + 1 });
  }
  return [...byName]
    .filter(([, { user, system }]) => (user + system) / seconds >= 0.005)
    .sort(([, a], [, b]) => b.user + b.system - a.user - a.system)
    .map(([name, { user, system, count }]) => `${(user / seconds).toFixed(2).padStart(8)} ${(system / seconds).toFixed(2).padStart(8)}  ${name}${count > 1 ? ` ×${count}` : ""}`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    args: Bun.argv.slice(2),
    options: { secs: { type: "string", default: "5" }, top: { type: "string", default: "40" }, with: { type: "string", default: "" }, save: { type: "string" } },
    allowPositionals: true,
  });
  const [name] = positionals;
  if (name === undefined) throw new Error("name a workload");
  const workload = workloads.find((each) => each.name === name) ?? { name, load: name, arguments: [] };
  const further = values.with.split(" ").filter((word) => word !== "");
  await buildTools();
  const base = join(projectRoot, ".tmp/profile");
  const profiles = join(base, "profiles");
  await mkdir(profiles, { recursive: true });
  try {
    const server = await startDittofs(base, ["bun", "--cpu-prof", `--cpu-prof-dir=${profiles}`, join(projectRoot, "src/main.ts")]);
    let from = 0;
    let to = 0;
    let before = Promise.resolve(await threadsOf(server.pid));
    let after = before;
    try {
      const sample = await load(server, workload.load, [...defaultShape, "-t", values.secs, ...workload.arguments, ...further], () => {
        from = Date.now() * 1000;
        to = from + Number(values.secs) * 1e6;
        before = threadsOf(server.pid);
        after = Bun.sleep(Number(values.secs) * 1000).then(() => threadsOf(server.pid));
      });
      console.log(`${workload.name}: ${Math.round(sample.ops_s)} ops/s, ${Math.round(sample.mb_s)} MB/s while profiled, server ${sample.srv_cpu} CPUs`);
      const threads = threadTable(await before, await after, Number(values.secs));
      console.log(`    user   kernel  thread (CPUs)\n${threads.join("\n")}`);
    } finally {
      await server.stop(true);
    }
    const found = (await readdir(profiles)).map((name) => ({ name, size: Bun.file(join(profiles, name)).size }));
    const file = found.toSorted((a, b) => b.size - a.size)[0]?.name;
    if (file === undefined) throw new Error("the server left no profile: it did not end in good order");
    const { samples, functions } = spentByFunction((await Bun.file(join(profiles, file)).json()) as CpuProfile, from, to);
    console.log(`${samples} samples of JavaScript and what it calls, of ${Number(values.secs) * 1000} there could be; garbage collection, the compiler and pool threads don't show\n  self %  total %  function`);
    const share = (count: number) => ((100 * count) / Math.max(1, samples)).toFixed(1).padStart(8);
    for (const { place, self, total } of functions.slice(0, Number(values.top))) console.log(`${share(self)} ${share(total)}  ${place}`);
    if (values.save !== undefined) await rename(join(profiles, file), values.save);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

if (import.meta.main) await main();
