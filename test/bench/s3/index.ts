/** A share on S3: against the same server on the filesystem store, and against what the S3 server gives a client that does nothing else. */
import { load } from "../measure.ts";
import type { Bound } from "../report.ts";
import { startNullServer } from "../servers.ts";
import { Proxy } from "./children.ts";
import { comeTo, type Figure, lineNames, measureRound } from "./lines.ts";
import { neighbour } from "./neighbour.ts";
import { Site, startCloud, Subject } from "./site.ts";

/** What each line must reach. `least`, or `most`. */
const targets: readonly { readonly begins: string; readonly what: string; readonly unit: string; readonly least?: number; readonly most?: number }[] = [
  { begins: "cached read", what: "against the filesystem store", unit: "×", least: 0.9 },
  { begins: "local write", what: "against the filesystem store", unit: "×", least: 0.9 },
  { begins: "sequential write over our connections", what: "until drained, against 16 parallel raw PUTs of 16 MiB the same way", unit: "×" },
  { begins: "sequential write", what: "until drained, against 16 parallel raw PUTs of 16 MiB by the SDK", unit: "×", least: 0.8 },
  { begins: "cold sequential read over our connections", what: "against 16 parallel raw GETs of 16 MiB the same way", unit: "×" },
  { begins: "cold sequential read", what: "against 16 parallel raw GETs of 16 MiB by the SDK", unit: "×", least: 0.8 },
  { begins: "cold 4 KiB random read", what: "p50, in raw GETs of 4 KiB", unit: "×", most: 1.3 },
  { begins: "PUTs for small files", what: "of 10,000 files of 4 KiB, for 10 MiB of content", unit: "PUTs", most: 12 },
  { begins: "scattered overwrites", what: "of 4 KiB in a large file until drained, against sequential write until drained", unit: "×", least: 0.5 },
  { begins: "remote tier", what: "64 concurrent create + write + commit, files in the time of a raw PUT", unit: "files", least: 20 },
  { begins: "a neighbour's bucket is down", what: "sequential write until drained, against before", unit: "×", least: 0.9 },
];

export interface S3Options {
  readonly directory: string;
  readonly program: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly lines: readonly string[] | null;
  readonly sequentialMiB: number;
  readonly largeMiB: number;
}

/** Medians over the rounds. */
export async function s3Bounds(options: S3Options): Promise<readonly Bound[]> {
  const chosen = new Set<string>(options.lines ?? lineNames);
  for (const line of chosen) if (!(lineNames as readonly string[]).includes(line)) throw new Error(`no such line: ${line}; there are ${lineNames.join(", ")}`);
  const proxyMbs = await proxyAlone(options.directory);
  const { directory, program, rounds } = options;
  const site = await Site.start();
  const started: Subject[] = [];
  try {
    const cloud = await startCloud(site, directory, program);
    started.push(cloud);
    const unrecorded = chosen.has("local") ? await startCloud(site, directory, program, { name: "unrecorded", history: false }) : null;
    if (unrecorded !== null) started.push(unrecorded);
    const local = new Subject("local", directory, program, "/export");
    await local.start();
    started.push(local);
    const figures: Figure[] = [];
    for (let round = 1; round <= rounds; round++) {
      console.error(`round ${round} of ${rounds}`);
      figures.push(...(await measureRound({ site, cloud, unrecorded, local, round, ...options }, chosen)));
    }
    for (const subject of started.splice(0)) await subject.stop(false);
    if (chosen.has("neighbour")) figures.push(...(await neighbour(site, options)));
    return [...boundsOf(figures), { what: "the proxy that adds the latency, alone and adding none", value: proxyMbs, unit: "MB/s", most: null, detail: "READ of 1 MiB from a server of canned replies" }];
  } finally {
    for (const subject of started) await subject.stop(false);
    await site.stop();
  }
}

function boundsOf(figures: readonly Figure[]): readonly Bound[] {
  const byLine = Map.groupBy(figures, ({ line }) => line);
  return [...byLine].map(([line, all]) => {
    const target = targets.find(({ begins }) => line.startsWith(begins));
    return {
      what: `${line}${target === undefined ? "" : `, ${target.what}`}`,
      ...comeTo(all),
      unit: target?.unit ?? "×",
      most: target?.most ?? null,
      ...(target?.least === undefined ? {} : { least: target.least }),
    };
  });
}

/** What the proxy can carry, so that a line it holds back is seen. */
async function proxyAlone(directory: string): Promise<number> {
  const server = await startNullServer(directory);
  const proxy = new Proxy(server.port, 0);
  try {
    await Bun.sleep(100);
    return (await load({ ...server, port: proxy.port, mountPort: proxy.port, name: "proxy" }, "seqread", ["-C", "2", "-Q", "16", "-t", "1", "-s", "64"])).mb_s;
  } finally {
    await proxy.stop();
    await server.stop(false);
  }
}

