import { cpuSecondsOf, median, type Sample } from "../measure.ts";
import { outputOf } from "../tools.ts";
import type { ProxyCounts } from "./children.ts";
import { latencyMs, packBytes, parallel, type Site, type Subject } from "./site.ts";
import { type Compared, inTurns } from "./turns.ts";

export type Parts = Readonly<Record<string, number>>;

/** What one round of a line gave, and how the figure that is judged comes of it, or of the medians of several rounds. */
export interface Figure {
  readonly line: string;
  readonly value: (parts: Parts) => number;
  readonly parts: Parts;
  /** Of several, where their medians are not what they come to. */
  readonly combined?: (all: readonly Parts[]) => { readonly value: number; readonly detail: string };
}

/** One part against another, or against the larger of several. */
export const ratio =
  (ours: string, ...theirs: readonly string[]) =>
  (parts: Parts): number =>
    (parts[ours] ?? Number.NaN) / Math.max(...theirs.map((name) => parts[name] ?? Number.NaN));

/** What a line measures with. */
export interface Bench {
  readonly site: Site;
  readonly cloud: Subject;
  /** The same without a history in the bucket; only where local writes are measured. */
  readonly unrecorded: Subject | null;
  /** The same program on the filesystem store. */
  readonly local: Subject;
  /** MiB of the files that are written and read in order. */
  readonly sequentialMiB: number;
  /** MiB of the file that is overwritten at random. */
  readonly largeMiB: number;
  readonly seconds: number;
  readonly round: number;
}

const now = () => performance.now() / 1000;
const mb = (bytes: number) => bytes / 1e6;
const one = ["-C", "1", "-Q", "16", "-B", "data"] as const;

function mustBeGood(sample: Sample, what: string): Sample {
  if (sample.errors > 0 || sample.verify_bad > 0) throw new Error(`${what}: ${sample.errors} calls failed, ${sample.verify_bad} gave wrong data`);
  return sample;
}

/** Runs `workload`, then waits until everything is in the bucket; seconds from its first call to there. */
async function untilDrained(subject: Subject, workload: string, options: readonly string[], share = "cloud"): Promise<{ readonly sample: Sample; readonly acceptedSec: number; readonly sec: number }> {
  let began = now();
  const sample = mustBeGood(await subject.load(workload, options, () => (began = now())), workload);
  const acceptedSec = now() - began;
  await subject.drain();
  const sec = now() - began;
  const left = await subject.unstoredBytes(share);
  if (left !== 0) throw new Error(`${left} bytes are not in the bucket after a drain`);
  return { sample, acceptedSec, sec };
}

/** `what` between two looks at the proxy. */
async function counted<T>(site: Site, what: () => Promise<T>): Promise<{ readonly result: T; readonly puts: number; readonly upBytes: number; readonly downBytes: number }> {
  const before: ProxyCounts = await site.proxy.counts();
  const result = await what();
  const after: ProxyCounts = await site.proxy.counts();
  return { result, puts: after.put - before.put, upBytes: after.up - before.up, downBytes: after.down - before.down };
}

/** What was written before is on the disk: writing it back is no part of what comes. */
const quietDisk = () => outputOf(["sync"]);

const rawNames = { sdk: "raw MB/s by the SDK", blocks: "raw MB/s over our connections" } as const;

/** MB/s of as many bytes at pack size as the lines in order move. */
async function rawSpeed({ site, sequentialMiB, round }: Bench, what: "put" | "get" | "delete", via: "sdk" | "blocks"): Promise<number> {
  const bytes = sequentialMiB * 2 ** 20;
  const { seconds } = await site.raw.run({ via, what, name: `round${round}`, count: bytes / packBytes, bytes: packBytes, parallel });
  return mb(bytes) / seconds;
}

/** Write and read in order, through the bucket, between as much by the SDK alone and as much over our connections alone, which are faster. */
async function sequential(bench: Bench): Promise<readonly Figure[]> {
  const { site, cloud, sequentialMiB, round } = bench;
  const bytes = sequentialMiB * 2 ** 20;
  // The machine is not the same from one moment to the next: who goes first and last changes.
  const [first, last] = round % 2 === 1 ? (["sdk", "blocks"] as const) : (["blocks", "sdk"] as const);
  const proxyCpu = await cpuSecondsOf(site.proxy.pid);
  const began = now();
  await quietDisk();
  const put = { [rawNames[first]]: await rawSpeed(bench, "put", first) };
  const cpuBefore = await cpuSecondsOf(cloud.server.pid);
  const { acceptedSec, sec } = await untilDrained(cloud, "seqwrite", [...one, "-s", String(sequentialMiB), "-P", "1", "-k"]);
  const cpuSec = (await cpuSecondsOf(cloud.server.pid)) - cpuBefore;
  put[rawNames[last]] = await rawSpeed(bench, "put", last);
  const get = { [rawNames[first]]: await rawSpeed(bench, "get", first) };
  // What was written in large pieces is in no page: without the copies on the disk it is in the bucket alone.
  await cloud.evict();
  await quietDisk();
  const pass = [...one, "-s", String(sequentialMiB), "-P", "1", "-t", "600", "-k", "-R"];
  const { result: read, downBytes } = await counted(site, () => cloud.load("seqread", pass));
  mustBeGood(read, "cold seqread");
  if (downBytes < bytes) throw new Error(`a cold read of ${bytes} bytes took ${downBytes} from the bucket`);
  mustBeGood(await cloud.load("seqread", [...pass, "-V"]), "seqread");
  get[rawNames[last]] = await rawSpeed(bench, "get", last);
  const proxyCores = ((await cpuSecondsOf(site.proxy.pid)) - proxyCpu) / (now() - began);
  for (const via of [first, last]) await rawSpeed(bench, "delete", via);
  const bySdk = ratio("MB/s", rawNames.sdk);
  const byOurs = ratio("MB/s", rawNames.blocks);
  const written = { "MB/s": mb(bytes) / sec, ...put, "accepted at MB/s": mb(bytes) / acceptedSec, "server CPU": cpuSec / sec, "proxy CPU": proxyCores };
  const readParts = { "MB/s": read.mb_s, ...get, "server CPU": read.srv_cpu };
  return [
    { line: "sequential write", value: bySdk, parts: written },
    { line: "sequential write over our connections", value: byOurs, parts: written },
    { line: "cold sequential read", value: bySdk, parts: readParts },
    { line: "cold sequential read over our connections", value: byOurs, parts: readParts },
  ];
}

/** One read at a time of what is nowhere but in the bucket, against one small GET at a time. */
async function coldRandom({ site, cloud, sequentialMiB, seconds, round }: Bench): Promise<readonly Figure[]> {
  const job = { via: "sdk", name: `small${round}`, count: 60, bytes: 4096, parallel: 1 } as const;
  await site.raw.run({ what: "put", ...job });
  const { p50Ms } = await site.raw.run({ what: "get", ...job });
  await site.raw.run({ what: "delete", ...job });
  await cloud.restartCold();
  const read = mustBeGood(await cloud.load("randread", ["-C", "1", "-Q", "1", "-B", "data", "-s", String(sequentialMiB), "-t", String(seconds), "-k", "-R", "-V"]), "cold randread");
  return [{ line: "cold 4 KiB random read", value: ratio("p50 ms", "raw GET p50 ms"), parts: { "p50 ms": read.p50_us / 1000, "p99 ms": read.p99_us / 1000, "raw GET p50 ms": p50Ms } }];
}

const cachedShape = ["-s", "128", "-B", "cached", "-k", "-R"] as const;
const overwrittenShape = ["-s", "64", "-B", "overwritten", "-k", "-R"] as const;
const inOrder = { turnSeconds: 0.25, turns: 5 } as const;
/**
 * As long as changes wait to be stored, or several times as long as for the history: the clock of who is stopped goes on, so that in shorter turns what is
 * done at an age would be done several times as often a second of load as under one that goes on.
 */
const writing = { turnSeconds: 5, turns: 2 } as const;
const reading = { turnSeconds: 0.1, turns: 8 } as const;
const localWorkloads: readonly Compared[] = [
  { name: "seqwrite", options: ["-s", "64", "-P", "1", "-B", "fresh", "-k"], ...inOrder, drained: true },
  { name: "randwrite", options: overwrittenShape, ...writing },
  { name: "randwrite_sync", options: overwrittenShape, ...writing },
  { name: "create", options: ["-n", "5000", "-B", "fresh", "-k"], ...writing },
  { name: "create_commit", options: ["-n", "5000", "-B", "fresh", "-k"], ...writing },
];
const cachedWorkloads: readonly Compared[] = [
  { name: "seqread", options: cachedShape, ...reading },
  { name: "randread", options: cachedShape, ...reading },
];

const shape = ["-C", "2", "-Q", "16"] as const;

/** Both servers have the same files in memory, and nothing to store. */
async function warmUp({ cloud, local, round }: Bench, files: readonly string[]): Promise<void> {
  for (const subject of [cloud, local]) {
    const fresh = [...shape, ...files.filter((word) => word !== "-R")];
    if (round === 1) await untilDrained(subject, "seqwrite", [...fresh, "-P", "1"], subject === cloud ? "cloud" : "export");
    await subject.load("seqread", [...shape, ...files, "-P", "1", "-t", "600"]);
  }
}

const smallFiles = 10_000;

/** Requests that small files cost, stored when the server thinks fit. */
async function files({ site, cloud, round }: Bench): Promise<readonly Figure[]> {
  const { puts, upBytes } = await counted(site, async () => {
    mustBeGood(await cloud.load("create", ["-C", "2", "-Q", "16", "-F", "-n", String(smallFiles), "-B", `small${round}`, "-k"]), "create");
    const deadline = now() + 60;
    while ((await cloud.unstoredBytes()) > 0) {
      if (now() > deadline) throw new Error("small files are not in the bucket after a minute");
      await Bun.sleep(100);
    }
  });
  const content = smallFiles * 4096;
  return [{ line: "PUTs for small files", value: ({ PUTs = Number.NaN }) => PUTs / (content / (10 * 2 ** 20)), parts: { PUTs: puts, "MB sent": mb(upBytes), "MB of content": mb(content) } }];
}

/** Scattered overwrites of a large file, until they are in the bucket. */
async function scattered(bench: Bench, sequentialMbs: number): Promise<readonly Figure[]> {
  const { site, cloud, largeMiB, seconds, round } = bench;
  const large = ["-C", "1", "-Q", "64", "-s", String(largeMiB), "-k", "-B", "large"];
  if (round === 1) await untilDrained(cloud, "seqwrite", [...large, "-P", "1"]);
  const { result, puts, upBytes } = await counted(site, () => untilDrained(cloud, "randwrite", [...large, "-t", String(3 * seconds), "-R"]));
  const bytes = result.sample.ops * 4096;
  const speed = mb(bytes) / result.sec;
  return [{ line: "scattered overwrites", value: ratio("MB/s", "sequential MB/s"), parts: { "MB/s": speed, "sequential MB/s": sequentialMbs, MB: mb(bytes), "accepted at MB/s": mb(bytes) / result.acceptedSec, PUTs: puts, "MB sent": mb(upBytes) } }];
}

/** 64 at a time who make a file, write it and commit it, each waiting for the bucket. */
async function remote({ site, cloud, seconds, round }: Bench): Promise<readonly Figure[]> {
  const job = { via: "sdk", name: `commit${round}`, count: 40, bytes: 64 * 1024, parallel: 1 } as const;
  const { p50Ms } = await site.raw.run({ what: "put", ...job });
  await site.raw.run({ what: "delete", ...job });
  await cloud.admin.do("PUT", "/api/v1/shares/cloud", { durability: "remote" });
  try {
    const { result, puts } = await counted(site, () => cloud.load("create_commit", ["-C", "2", "-Q", "32", "-t", String(seconds), "-n", "1000"]));
    mustBeGood(result, "create_commit");
    return [{ line: "remote tier", value: (parts) => ((parts["files/s"] ?? Number.NaN) * (parts["raw PUT p50 ms"] ?? Number.NaN)) / 1000, parts: { "files/s": result.ops_s, "p50 ms": result.p50_us / 1000, "raw PUT p50 ms": p50Ms, "files a PUT": result.ops / Math.max(1, puts) } }];
  } finally {
    await cloud.admin.do("PUT", "/api/v1/shares/cloud", { durability: "local" });
  }
}

export const lineNames = ["cached", "local", "sequential", "coldread", "files", "scattered", "remote", "neighbour"] as const;
export type LineName = (typeof lineNames)[number];

/** One round of the lines asked for; `neighbour` is measured by itself. */
export async function measureRound(bench: Bench, chosen: ReadonlySet<string>): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  const say = (more: readonly Figure[]) => {
    for (const [line, all] of Map.groupBy(more, ({ line }) => line)) {
      const { value, detail } = comeTo(all);
      console.error(`  ${line}: ${value.toFixed(3)}  ${detail}`);
    }
    figures.push(...more);
  };
  if (chosen.has("cached")) {
    await warmUp(bench, cachedShape);
    for (const each of cachedWorkloads) say(await inTurns(bench, "cached read", shape, each));
  }
  if (chosen.has("local")) {
    await warmUp(bench, overwrittenShape);
    for (const each of localWorkloads) say(await inTurns(bench, "local write", shape, each));
    await bench.cloud.drain();
    if (bench.unrecorded !== null) {
      const unrecorded = { ...bench, cloud: bench.unrecorded };
      await warmUp(unrecorded, overwrittenShape);
      for (const each of localWorkloads) say(await inTurns(unrecorded, "local write without history", shape, each));
      await bench.unrecorded.drain();
    }
  }
  const needsData = chosen.has("sequential") || chosen.has("coldread") || chosen.has("scattered");
  const wholeFiles = needsData ? await sequential(bench) : [];
  say(wholeFiles);
  if (chosen.has("coldread")) say(await coldRandom(bench));
  if (chosen.has("scattered")) say(await scattered(bench, wholeFiles[0]?.parts["MB/s"] ?? Number.NaN));
  if (chosen.has("files")) say(await files(bench));
  if (chosen.has("remote")) say(await remote(bench));
  return figures;
}

/** What the figures of a line come to. */
export function comeTo(all: readonly Figure[]): { readonly value: number; readonly detail: string } {
  const [first] = all as readonly [Figure, ...Figure[]];
  if (first.combined !== undefined) return first.combined(all.map(({ parts }) => parts));
  const parts = medians(all.map((figure) => figure.parts));
  return { value: first.value(parts), detail: partsText(parts) };
}

export function medians(all: readonly Parts[]): Parts {
  return Object.fromEntries(Object.keys(all[0] ?? {}).map((name) => [name, median(all.map(({ [name]: value = Number.NaN }) => value))]));
}

export function partsText(parts: Parts): string {
  return Object.entries(parts)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(3)).toLocaleString("en-US")}`)
    .join(", ");
}

export const addedLatencyMs = latencyMs;
