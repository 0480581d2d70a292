/**
 * What compression and encryption cost a share, on a filesystem store and in a bucket: the same bytes written in order to shares of one
 * server that differ in nothing else, in turns; each against the plain one of its round.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkS3 } from "#blocks/s3/index.ts";
import { type S3Server, startS3 } from "../support/radosgw.ts";
import { cpuSecondsOf, median } from "./measure.ts";
import type { Bound } from "./report.ts";
import { Subject } from "./s3/site.ts";
import { putBounds } from "./wrapped-puts.ts";

const kinds = ["plain", "zstd", "aes", "both"] as const;
type Kind = (typeof kinds)[number];
const stores = ["filesystem", "S3"] as const;
type Store = (typeof stores)[number];

/** What each may cost a sequential write, as a part of it. */
const costMax: Readonly<Record<Kind, number | null>> = { plain: null, zstd: 0.25, aes: 0.1, both: null };

export interface WrapperOptions {
  readonly directory: string;
  readonly program: readonly string[];
  readonly rounds: number;
  readonly sequentialMiB: number;
}

interface Figure {
  readonly store: Store;
  readonly kind: Kind;
  /** MB/s of content, until it is stored; as the client sees them; seconds of CPU the server took for each. */
  readonly stored: number;
  readonly accepted: number;
  readonly cpuSec: number;
}

/** Medians over the rounds of each kind's speed as a part of the plain one's in the same round. */
export async function wrapperBounds(options: WrapperOptions): Promise<readonly Bound[]> {
  const puts = await putBounds(options.directory, options.rounds * 4);
  const s3 = await startS3({ bytesMax: 8 * 2 ** 30 });
  const subject = new Subject("wrappers", options.directory, options.program, "/export");
  try {
    await subject.start();
    await makeShares(subject, options.directory, s3);
    const figures: Figure[][] = [];
    for (let round = 0; round < options.rounds; round++) {
      for (const store of stores) {
        const turn = kinds.map((_, i) => kinds[(i + round) % kinds.length] as Kind);
        const of: Figure[] = [];
        for (const kind of turn) of.push(await measure(subject, store, kind, options.sequentialMiB));
        figures.push(of);
        console.error(`round ${round + 1}, ${store}: ${of.map((one) => `${one.kind} ${Math.round(one.stored)} MB/s (accepted ${Math.round(one.accepted)}, ${one.cpuSec.toFixed(2)} CPU-s)`).join(", ")}`);
      }
    }
    return [...puts, ...stores.flatMap((store) => kinds.filter((kind) => kind !== "plain").map((kind) => boundOf(store, kind, figures)))];
  } finally {
    await subject.stop(false);
    await s3.stop();
  }
}

async function makeShares(subject: Subject, directory: string, s3: S3Server): Promise<void> {
  const keyFile = join(directory, "wrappers.keys");
  await mkdir(directory, { recursive: true });
  // A file that is there keeps the mode it has.
  await rm(keyFile, { force: true });
  await writeFile(keyFile, `bench = ${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64")}\n`, { mode: 0o600 });
  const bucket = s3.bucketName();
  await checkS3({ bucket, endpoint: s3.endpoint, credentials: s3.credentials, createBucket: true });
  const { accessKeyId, secretAccessKey } = s3.credentials;
  const zstd = { compression: "zstd" };
  const aes = { encryption: "aes-256-gcm", encryption_key_file: keyFile };
  const wrappers: Readonly<Record<Kind, object>> = { plain: {}, zstd, aes, both: { ...zstd, ...aes } };
  for (const store of stores) {
    for (const kind of kinds) {
      const name = `${store.toLowerCase()}-${kind}`;
      const place = store === "S3" ? { bucket, prefix: name, endpoint: s3.endpoint, access_key: accessKeyId, secret_key: secretAccessKey } : {};
      await subject.admin.do("POST", "/api/v1/store/block", { name, type: store === "S3" ? "s3" : "filesystem", config: { ...place, ...wrappers[kind] } });
      await subject.admin.do("POST", "/api/v1/shares", { name: `/${name}`, blocks: name, squash: "none", default_permission: "read-write" });
    }
  }
}

/** Text that compresses about three times, written over files from the round before. */
async function measure(subject: Subject, store: Store, kind: Kind, sequentialMiB: number): Promise<Figure> {
  const share = `/${store.toLowerCase()}-${kind}`;
  const bytes = sequentialMiB * 2 ** 20;
  const cpu = await cpuSecondsOf(subject.server.pid);
  let began = performance.now();
  const sample = await subject.load("seqwrite", ["-C", "1", "-Q", "16", "-s", String(sequentialMiB), "-P", "1", "-Z", "-k", "-B", "data"], () => (began = performance.now()), share);
  if (sample.errors > 0) throw new Error(`${share}: ${sample.errors} calls failed`);
  await subject.drain(share);
  const seconds = (performance.now() - began) / 1000;
  return { store, kind, stored: bytes / 1e6 / seconds, accepted: sample.mb_s, cpuSec: (await cpuSecondsOf(subject.server.pid)) - cpu };
}

function boundOf(store: Store, kind: Kind, figures: readonly (readonly Figure[])[]): Bound {
  const rounds = figures.filter((of) => of[0]?.store === store);
  const of = (which: Kind) => rounds.map((round) => round.find((one) => one.kind === which) as Figure);
  const cost = (take: (one: Figure) => number) => median(of(kind).map((one, i) => 1 - take(one) / take(of("plain")[i] as Figure)));
  const mid = (which: Kind, take: (one: Figure) => number) => Math.round(median(of(which).map(take)));
  const most = costMax[kind];
  return {
    what: `${store}: what ${{ zstd: "zstd", aes: "AES-256-GCM", both: "zstd and AES-256-GCM", plain: "nothing" }[kind]} costs a sequential write until it is stored`,
    value: cost((one) => one.stored) * 100,
    unit: "%",
    most: most === null ? null : most * 100,
    detail: `${mid("plain", (one) => one.stored)} → ${mid(kind, (one) => one.stored)} MB/s; until COMMIT ${mid("plain", (one) => one.accepted)} → ${mid(kind, (one) => one.accepted)} MB/s; server CPU ${median(of("plain").map((one) => one.cpuSec)).toFixed(2)} → ${median(of(kind).map((one) => one.cpuSec)).toFixed(2)} s`,
  };
}
