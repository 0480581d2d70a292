/**
 * What the S3 server gives a client that does nothing else: objects put and got so many at a time, by the SDK as it comes, or by the
 * SDK's commands over the connections of our block store. A process of its own, as the server under test is; a job is a line of JSON
 * on stdin, its outcome one on stdout.
 */
import { GetObjectCommand, PutObjectCommand, S3Client, DeleteObjectsCommand } from "@aws-sdk/client-s3";
import { createInterface } from "node:readline";
import { openS3Blocks } from "#blocks/s3/index.ts";
import type { BlockStore } from "#model/block-store.ts";

export interface RawPlace {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** `put` and `get` move `count` objects of `bytes`, `parallel` at a time; `get` of those that were put, `bytes` from the beginning of each. */
export interface RawJob {
  readonly via: "sdk" | "blocks";
  readonly what: "put" | "get" | "delete";
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
  readonly parallel: number;
}

export interface RawOutcome {
  readonly seconds: number;
  readonly p50Ms: number;
}

async function inParallel(count: number, parallel: number, one: (i: number) => Promise<void>): Promise<RawOutcome> {
  const tookMs: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      const began = performance.now();
      await one(i);
      tookMs.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: parallel }, worker));
  tookMs.sort((a, b) => a - b);
  return { seconds: (performance.now() - began) / 1000, p50Ms: tookMs[tookMs.length >> 1] ?? Number.NaN };
}

function clientOf({ endpoint, accessKeyId, secretAccessKey }: RawPlace): S3Client {
  return new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
}

/** One object put, or the beginning of it got; whoever does it says how many bytes came. */
interface Carrier {
  put(key: string, body: Buffer): Promise<void>;
  get(key: string, bytes: number): Promise<number>;
  delete(keys: readonly string[]): Promise<void>;
}

function bySdk(client: S3Client, Bucket: string): Carrier {
  return {
    put: async (key, body) => void (await client.send(new PutObjectCommand({ Bucket, Key: key, Body: body }))),
    async get(key, bytes) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: key, Range: `bytes=0-${bytes - 1}` }));
      return (await Body?.transformToByteArray())?.byteLength ?? 0;
    },
    delete: async (keys) => void (await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Quiet: true, Objects: keys.map((Key) => ({ Key })) } }))),
  };
}

function byBlocks(blocks: BlockStore): Carrier {
  return {
    put: (key, body) => blocks.put(key, { from: "slices", slices: [body] }),
    get: async (key, bytes) => (await blocks.get(key, 0, bytes)).byteLength,
    delete: (keys) => blocks.delete(keys),
  };
}

async function run(carrier: Carrier, body: Buffer, { what, name, count, bytes, parallel, via }: RawJob): Promise<RawOutcome> {
  const key = (i: number) => `raw/${via}-${name}-${i}`;
  switch (what) {
    case "put":
      return await inParallel(count, parallel, (i) => carrier.put(key(i), body.subarray(0, bytes)));
    case "get":
      return await inParallel(count, parallel, async (i) => {
        const got = await carrier.get(key(i), bytes);
        if (got !== bytes) throw new Error(`${got} bytes came of ${bytes}`);
      });
    default:
      return await inParallel(1, 1, () => carrier.delete(Array.from({ length: count }, (_, i) => key(i))));
  }
}

if (import.meta.main) {
  const place = JSON.parse(process.argv[2] ?? "") as RawPlace;
  const { endpoint, bucket, accessKeyId, secretAccessKey } = place;
  const sdk = bySdk(clientOf(place), bucket);
  let blocks: Carrier | null = null;
  const body = Buffer.alloc(16 * 2 ** 20);
  for (let at = 0, word = 1; at < body.length; at += 4) body.writeUInt32LE((word = (Math.imul(word, 1664525) + 1013904223) >>> 0), at);
  for await (const line of createInterface(process.stdin)) {
    const job = JSON.parse(line) as RawJob;
    if (job.via === "blocks") blocks ??= byBlocks(await openS3Blocks({ bucket, endpoint, credentials: { accessKeyId, secretAccessKey } }));
    console.log(JSON.stringify(await run(job.via === "blocks" ? (blocks as Carrier) : sdk, body, job)));
  }
  process.exit(0);
}
